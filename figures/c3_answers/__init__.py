"""Figures of C3: few answers to each prompt."""
