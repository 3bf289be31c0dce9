"""Figures of L, languages too large to list."""
