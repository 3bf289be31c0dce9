"""One module per kind of random language; its `checks(rng)` are those of one random case (`sim.selftest.checks`)."""
