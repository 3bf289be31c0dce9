"""Figures of the atlas in several kinds of language."""
