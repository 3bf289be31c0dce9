"""Figures of M, methods."""
