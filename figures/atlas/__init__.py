"""Figures of the atlas of methods."""
