"""Figures of runs on languages that are not listed, from the tables of `python -m experiments unlisted`."""
