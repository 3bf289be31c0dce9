"""Rao–Blackwell: each token is replaced by the expectation over all tokens that could stand there."""

import math

from sim.estimators._found import Estimator, Found
from sim.estimators._intervals import of_mean
from sim.estimators._sample import Sample


def rao_blackwell_entropy(sample: Sample, level: float = 0.95) -> Found:
    """(1/n) Σ_i Σ_t H(q(·|x_i before t)) [nat], for x_i ~ q: the entropy H(q), by the chain rule. Unbiased.

    Replacing one token by its expectation lowers the variance of this term, but the terms of a string depend on each
    other, so the sum can vary more than −log q: of a uniform law −log q does not vary at all, and the sum does wherever
    strings branch differently (`tests/unit/estimators/test_means.py` has the smallest case). Needs next-token laws
    along the samples. The reported interval needs the largest sum (`Known.path_entropy`); T log V bounds it.
    Source: A. Amini, T. Vieira and R. Cotterell, arXiv 2504.10637, for KL; the entropy is the same step.
    """
    assert sample.entropies is not None
    known = sample.known
    ends = None if known.path_entropy is None else (0.0, known.path_entropy)
    most = math.inf if known.size is None else math.log(known.size)
    return of_mean(sample, sample.entropies, level, ends, truth=(0.0, most))


def rao_blackwell_kl(sample: Sample, level: float = 0.95) -> Found:
    """(1/n) Σ_i Σ_t KL(q(·|x_i before t)‖p(·|x_i before t)) [nat], for x_i ~ q: KL(q‖p). Unbiased, never negative.

    It can vary more than k1: if q is p given an event, log q/p is a constant. A drawn prefix after which p
    lacks a token of q gives inf, and KL(q‖p) is inf then. The reported interval needs the largest sum
    (`Known.path_kl`).
    Source: A. Amini, T. Vieira and R. Cotterell, arXiv 2504.10637.
    """
    assert sample.divergences is not None
    known = sample.known
    ends = None if known.path_kl is None else (0.0, known.path_kl)
    most = math.inf if known.log_ratio is None else known.log_ratio[1]
    return of_mean(sample, sample.divergences, level, ends, truth=(0.0, most))


ESTIMATORS = [
    Estimator("Rao–Blackwell", "ΣH", "H(q)", "none", rao_blackwell_entropy, ("entropies",)),
    Estimator("Rao–Blackwell", "ΣKL", "KL(q‖p)", "none", rao_blackwell_kl, ("divergences",)),
]
