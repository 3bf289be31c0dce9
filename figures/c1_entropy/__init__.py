"""Figures of C1, entropy reduction."""
