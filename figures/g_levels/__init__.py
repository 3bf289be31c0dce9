"""Figures of G, the level of a grammar."""
