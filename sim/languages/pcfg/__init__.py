"""Weighted context-free grammars: right-hand sides of any length, the empty one included, cycles and ambiguity too."""
