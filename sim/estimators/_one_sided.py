"""Lower ends of means of independent draws that are bounded from below alone: proved for every law."""

import math

import numpy as np

from sim.estimators._intervals import check_level

WIDTHS = tuple(2.0**power for power in range(-8, 13))
"""Values are cut so far above the least one, from 1/256 to 4,096; the cut that gives the highest end is taken."""


def lower_mean(values: np.ndarray, least: float, error: float) -> float:
    """Return an end L with P(E[X] < L) <= `error`, for n independent draws of an X that is certainly >= `least`.

    For every cut c, E[min(X, c)] <= E[X], and min(X, c) lies in [least, c]. So for each of the K cuts least + w, w in
    WIDTHS, the bound mean - sd √(2 log(2K/error)/n) - 7 w log(2K/error)/(3(n - 1)) is wrong with a probability of at
    most error/K, and the largest of them with at most `error`. Rare large values of X can only raise E[X]. An upper end
    does not exist: a value that no draw showed can raise the mean without limit. A draw may be +inf. For a single draw
    L is `least`. Raises ValueError for no draws, and for a draw below `least`.
    Source: A. Maurer and M. Pontil 2009, "Empirical Bernstein bounds and sample variance penalization", theorem 4, one
    side of it; the union over cuts is Boole's inequality.
    """
    check_level(1.0 - error)
    n = len(values)
    if not n or not (values >= least).all():
        found = "none" if not n else f"{values.min():g}"
        raise ValueError(f"values: draws of at least {least:g} are required, found {found}")
    if n == 1:
        return least
    log = math.log(2.0 * len(WIDTHS) / error)
    ends = [least]
    for width in WIDTHS:
        cut = np.minimum(values, least + width)
        lost = float(cut.std(ddof=1)) * math.sqrt(2.0 * log / n) + 7.0 * width * log / (3.0 * (n - 1))
        ends.append(float(cut.mean()) - lost)
    return max(ends)
