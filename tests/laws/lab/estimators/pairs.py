"""Entropy from equal pairs of draws."""

import math

import numpy as np

from sim.estimators._found import NONE, Estimator, Found
from sim.estimators._sample import Sample
from sim.estimators.good_turing import simpson


def of_pairs(sample: Sample, level: float = 0.95) -> Found:
    """−log of the share of equal pairs [nat], an estimate of −log Σ q² <= H(q); inf without such a pair."""
    del level
    nothing = (-math.inf, math.inf)
    with np.errstate(divide="ignore"):
        return Found.of(-np.log(simpson(sample.counts)), nothing, NONE, nothing)


ESTIMATORS = [Estimator("equal pairs", "−log Ĉ", "H(q)", "too small in large samples", of_pairs, least=2)]
