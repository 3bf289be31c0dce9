"""Figures of what is proved in docs/theory.md, drawn from `sim.theory` alone: no table, no run, no training."""
