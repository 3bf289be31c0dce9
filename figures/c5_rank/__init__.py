"""Figures of C5, rank."""
