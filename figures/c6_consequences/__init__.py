"""Figures of C6, consequences."""
