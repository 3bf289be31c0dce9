"""Figures of several ways of fine-tuning side by side."""
