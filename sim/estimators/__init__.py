"""Estimates from samples: entropy, KL, collision and missing mass of a law that is known through its samples only.

Everywhere else this package computes such numbers exactly. A model with an endless support, or one of which only
samples are given, has to be estimated. One file is a family, found by its list `ESTIMATORS`; one function is an
estimator. It takes a `Sample` (`_sample.py`) and a level, and returns a `Found` (`_found.py`): the value, an interval
that holds its level, and the interval that is usual in the literature, whose coverage is measured by
`python -m experiments estimators`.
"""
