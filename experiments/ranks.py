"""Rank correlations, and partial ones: how much one quantity says about another beyond what a rival says."""

import math

import numpy as np

SAME = 1e-12
"""Two orders are equal, or opposite, if 1 - r² is at most this, where r is their rank correlation."""


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks 1 to n of some numbers, float64[n]. Equal numbers share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - 0.5 * (counts - 1))[place], np.float64)


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation of two lists of numbers, in [-1, 1]; nan if one of them does not vary.

    It is Pearson's correlation of the ranks. Source: C. Spearman, 1904, "The proof and measurement of association
    between two things".
    """
    one, other = (ranks(values) for values in (x, y))
    one, other = one - one.mean(), other - other.mean()
    size = math.sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / size if size > 0.0 else math.nan


def partial_rank_correlation(x: np.ndarray, y: np.ndarray, given: np.ndarray) -> float:
    """Rank correlation of x and y after a linear function of the ranks of `given` is taken from the ranks of both.

    (r_xy - r_xg r_yg) / sqrt((1 - r_xg²)(1 - r_yg²)). It is 0 if x or y has the order of `given`, or the reverse order:
    then nothing is left that could be correlated. It is nan if one of the three does not vary.
    Source: M. Kendall, 1942, "Partial rank correlation"; here with Spearman's correlation.
    """
    return _partial(rank_correlation(x, y), rank_correlation(x, given), rank_correlation(y, given))


def _partial(xy: float, xg: float, yg: float) -> float:
    left = [1.0 - r * r for r in (xg, yg)]
    if math.isnan(xy + xg + yg):
        return math.nan
    return 0.0 if min(left) <= SAME else (xy - xg * yg) / math.sqrt(left[0] * left[1])


def advantage(outcome: np.ndarray, favourite: np.ndarray, rival: np.ndarray) -> float:
    """Return by how much a favourite explains an outcome better than a rival does, in [-1, 2]; nan as above.

    partial(outcome, favourite | rival) - |partial(outcome, rival | favourite)|, both rank correlations. The favourite
    has to rise with the outcome; the rival may rise or fall.
    """
    own, other, between = (
        rank_correlation(*pair) for pair in ((outcome, favourite), (outcome, rival), (favourite, rival))
    )
    return _partial(own, other, between) - abs(_partial(other, own, between))
