"""Exact languages: float64 on the host, with no knowledge of grammars; `device` alone knows jax."""
