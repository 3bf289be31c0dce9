"""python -m sim.describe FILE: what is exactly known of the language of a grammar file."""
