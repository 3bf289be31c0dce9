"""Languages with exactly known distributions: one file per kind."""
