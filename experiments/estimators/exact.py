"""The exact bias of an estimator under a listed law, where a formula is known."""

import math

import numpy as np

from experiments.a_audits import expected
from experiments.estimators.pairs import Pair
from sim.estimators._found import Estimator
from sim.numerics import expectation

LEAST_ERROR = 1e-12
"""A bias or a spread below this is rounding [nat, 1]: it is shown as 0."""


def bias(pair: Pair, estimator: Estimator, n: int) -> float | None:
    """Return E[value] − truth for samples of n strings; None for Chao–Shen, Chao1, and an infinite truth or value.

    Of means it is the expectation of one draw; of counts it is a sum of binomial expectations (`experiments.a_audits`).
    """
    found = _mean(pair, estimator.name, estimator.target) if estimator.needs else _counted(pair, estimator.name, n)
    if found is None or not math.isfinite(found):
        return None
    return 0.0 if abs(found) < LEAST_ERROR else found


def _mean(pair: Pair, name: str, target: str) -> float | None:
    """The bias of a mean over draws, of which every draw has the same expectation."""
    with np.errstate(invalid="ignore", over="ignore"):
        ratio = np.where(pair.log_q > -np.inf, pair.log_q - pair.log_p, 0.0)
        draws = {
            ("Monte Carlo", "H(q)"): -pair.log_q, ("Rao–Blackwell", "H(q)"): pair.entropies,
            ("Rao–Blackwell", "KL(q‖p)"): pair.divergences, ("k1", "KL(q‖p)"): ratio,
            ("k2", "KL(q‖p)"): ratio**2 / 2.0, ("k3", "KL(q‖p)"): np.exp(-ratio) - 1.0 + ratio,
        }  # fmt: skip
        if (name, target) not in draws:
            return None
        return expectation(pair.log_q, draws[name, target]) - pair.truth[target]


def _counted(pair: Pair, name: str, n: int) -> float | None:
    law = np.exp(pair.log_q)[None]
    if name == "plug-in":
        return float(expected.plug_in(law, n)[0]) - pair.truth["H(q)"]
    if name == "Miller–Madow":
        return float(expected.miller_madow(law, n)[0]) - pair.truth["H(q)"]
    if name == "Good–Turing":  # E f_1/n − E[missing mass] = Σ q² (1 − q)^(n−1)
        return float((law**2 * expected.unseen(law, n - 1)).sum())
    if name == "Simpson":
        return -float(expected.collision(law, n)[0]) - pair.truth["C(q)"]
    return None
