"""python -m sim.describe FILE: report what is known exactly about the language of a grammar file."""
