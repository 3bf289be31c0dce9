"""Figures of C2, support contraction and forgetting."""
