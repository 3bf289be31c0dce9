"""`python -m sim.selftest`: every exact quantity of random languages by two unrelated routes."""
