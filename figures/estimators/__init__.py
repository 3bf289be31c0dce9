"""Figures of the estimators: bias, spread and coverage, from the tables of `python -m experiments estimators`."""
