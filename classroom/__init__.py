"""The classroom: a page in which a transformer forgets, and the exporter of the worlds that it shows."""
