"""Figures of one run, whatever study it belongs to."""
