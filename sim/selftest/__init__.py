"""`python -m sim.selftest`: compute every exact quantity of random languages by two unrelated routes and compare."""
