"""Exact languages, in float64 on the host. Nothing here imports `sim.grammars`, and only `device` imports jax."""
