"""Figures of C4, behaviour cloning."""
