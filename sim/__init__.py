"""Exact languages, small transformers, and what fine-tuning does to diversity, measured against the truth."""

__version__ = "0.1.0"
