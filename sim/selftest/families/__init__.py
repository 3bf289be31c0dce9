"""One module per family of random cases. Its `checks(rng)` yields the checks of one case (`sim.selftest.checks`)."""
