"""P-values of the tests in `experiments.statistics`, and Holm's correction for several of them."""

import math
from collections.abc import Sequence

import numpy as np


def p_mean(values: Sequence[float] | np.ndarray, threshold: float = 0.0) -> tuple[float, float]:
    """Return the p-values of "the mean is above the threshold" and of "the mean is below it", by Student's t.

    Each is twice the one-sided p-value and at most 1. So below 20 values it is under 0.05 exactly if the 95 % interval
    of `experiments.statistics.interval` lies on that side of the threshold. Equal values have no spread: the p-value is
    0 on their side. One value decides nothing, and
    neither do values that are not all finite: both are 1. Source: Student 1908, "The probable error of a mean".
    """
    x = np.asarray(values, np.float64)
    if len(x) < 2 or not np.isfinite(x).all():
        return 1.0, 1.0
    distance = math.fsum(x) / len(x) - threshold
    if np.ptp(x) == 0.0:
        return float(distance <= 0.0), float(distance >= 0.0)
    from scipy.special import stdtr  # imported here, because a report without a test does not need scipy

    t = distance / (x.std(ddof=1) / math.sqrt(len(x)))
    above, below = (2.0 * float(stdtr(len(x) - 1, side * t)) for side in (-1.0, 1.0))
    return min(1.0, above), min(1.0, below)


def p_values(
    kind: str, lower: np.ndarray, upper: np.ndarray, predicted: float | None, threshold: float, margin: float | None
) -> tuple[float, float]:
    """Return the p-values of "the prediction holds" and of "it is refuted", for the kinds of `statistics.judged`.

    A number that is known by two bounds needs both, so the p-value is that of the worse bound. An equality holds by two
    one-sided tests at 5 %. An ordering of K columns has K - 1 steps and Bonferroni's factor K - 1. A bound is not
    estimated: its p-values are 0 and 1. A report has the p-values 1.
    """
    if kind == "report":
        return 1.0, 1.0
    if kind == "bound":
        assert margin is not None
        kept = [float(one.min() < -margin) for one in (lower, upper)]
        return max(kept), max(1.0 - one for one in kept)
    if kind == "ordering":
        lower, upper = lower[1:] - upper[:-1], upper[1:] - lower[:-1]
        steps = [[p_mean(step) for step in one] for one in (lower, upper)]
        number = len(lower)
        holds = max(above for one in steps for above, _ in one)
        return min(1.0, number * holds), min(1.0, number * max(min(below for _, below in one) for one in steps))
    ends = [_p_of_end(kind, one, predicted, threshold, margin) for one in (lower, upper)]
    return max(holds for holds, _ in ends), max(refuted for _, refuted in ends)


def _p_of_end(
    kind: str, values: np.ndarray, predicted: float | None, threshold: float, margin: float | None
) -> tuple[float, float]:
    if kind == "sign":
        if predicted is None:
            return p_mean(values, threshold)
        above, below = p_mean(values)
        return (above, below) if predicted > 0 else (below, above)
    assert predicted is not None
    assert margin is not None
    above_low, below_low = p_mean(values, predicted - margin)
    above_high, below_high = p_mean(values, predicted + margin)
    return max(above_low, below_high) / 2.0, min(below_low, above_high)


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values: at most 5 % of families with true hypotheses alone have one at or below 0.05.

    It needs no independence. Source: S. Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    order = sorted(range(len(p)), key=lambda at: p[at])
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, at in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[at]))
        adjusted[at] = largest
    return adjusted


def p_difference(one: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> float:
    """Return the two-sided p-value of "both means are equal" for two independent samples, by Welch's t.

    Without any spread it is 1 for equal means, else 0. With fewer than two values on a side, or with values that are
    not finite, nothing can be said: 1. Source: B. Welch 1947, "The generalization of 'Student's' problem when several
    different population variances are involved".
    """
    x, y = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if min(len(x), len(y)) < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return 1.0
    distance = math.fsum(x) / len(x) - math.fsum(y) / len(y)
    errors = np.array([x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)])
    if np.ptp(x) == np.ptp(y) == 0.0:
        return float(distance == 0.0)
    from scipy.special import stdtr

    freedom = errors.sum() ** 2 / float(errors**2 @ [1.0 / (len(x) - 1), 1.0 / (len(y) - 1)])
    return 2.0 * float(stdtr(freedom, -abs(distance) / math.sqrt(errors.sum())))
