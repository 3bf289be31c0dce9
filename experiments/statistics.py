"""Intervals over paired seeds, and the tests that turn them into verdicts. All claims share them."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np

from sim.quantity import Quantity

Decided: TypeAlias = Literal["holds", "refuted", "undecided"]
"""The result of a test of one prediction."""

Verdict: TypeAlias = Literal["holds", "refuted", "undecided", "reported", "not valid", "refused"]
"""The verdict on a prediction in a case.

`not valid`: no run counts; `reported`: no verdict was announced; `refused`: runs count, and no world has a number.
"""

LEVEL = 0.95
"""Coverage of the intervals that are shown."""

BOOTSTRAP_FROM = 20
"""Least number of seeds for the bootstrap. With fewer seeds it covers less often than t, for skewed values too."""

ROUNDED = 1e-14
"""Values whose relative spread is at most this differ by rounding; the acceleration of the bootstrap is then nan."""

RESAMPLES = 4_999
"""Number of bootstrap samples."""


def interval(values: Sequence[float] | np.ndarray, level: float = LEVEL) -> Quantity:
    """Return the mean of one value per seed with its interval: Student's t below 20 seeds, else the BCa bootstrap.

    Values that differ by rounding alone have Student's t at every number of seeds.
    scipy is imported where it is needed: `scipy.stats` takes longer to import than everything else of a report.
    The interval is infinitely wide for one seed, and it has width 0 if all values are equal. Raises ValueError if there
    are no values, or if a value is not finite. Source: Student 1908, "The probable error of a mean"; Efron 1987,
    "Better bootstrap confidence intervals".
    """
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise ValueError(f"interval: finite values, one per seed, are required, found {x.tolist()}")
    mean = math.fsum(x) / len(x)
    if len(x) == 1:
        return _over_seeds(mean, -math.inf, math.inf, level, 1, "none")
    if np.ptp(x) == 0:
        return _over_seeds(mean, mean, mean, level, len(x), "none")
    if len(x) < BOOTSTRAP_FROM or np.ptp(x) <= ROUNDED * np.abs(x).max():
        from scipy.special import stdtrit

        half = float(stdtrit(len(x) - 1, 0.5 + level / 2) * x.std(ddof=1) / math.sqrt(len(x)))
        return _over_seeds(mean, mean - half, mean + half, level, len(x), "t")
    from scipy import stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (x,), np.mean, n_resamples=RESAMPLES, confidence_level=level, method="BCa", rng=np.random.default_rng(0)
        ).confidence_interval
    return _over_seeds(mean, float(found.low), float(found.high), level, len(x), "BCa")


def _over_seeds(mean: float, lower: float, upper: float, level: float, count: int, method: str) -> Quantity:
    return Quantity(lower, upper, "over seeds", mean, level, count, method)


def sign(differences: Sequence[float] | np.ndarray, threshold: float = 0.0) -> tuple[Decided, Quantity]:
    """Test whether the mean paired difference is above `threshold`.

    It holds if the interval lies above the threshold, is refuted if it lies below, and is undecided otherwise.
    """
    found = interval(differences)
    if found.lower > threshold:
        return "holds", found
    return ("refuted" if found.upper < threshold else "undecided"), found


def signed(values: np.ndarray, direction: float) -> tuple[Decided, Quantity]:
    """Test whether the mean has the sign `direction`, +1 or -1. The interval is for the values with their own sign."""
    verdict, found = sign(direction * values)
    return verdict, found if direction > 0 else found.decreasing(lambda value: -value)


def equality(values: Sequence[float] | np.ndarray, predicted: float, margin: float) -> tuple[Decided, Quantity]:
    """Test whether the mean is within `margin` of a prediction, by two one-sided tests at 5 %.

    It holds if the 90 % interval lies inside the margin, is refuted if the 95 % interval lies outside, and is undecided
    otherwise. Source: Schuirmann 1987, "A comparison of the two one-sided tests procedure".
    """
    if not margin > 0:
        raise ValueError(f"equality: a positive margin is required, found {margin!r}")
    shown, tight = interval(values), interval(values, 2 * LEVEL - 1)
    low, high = predicted - margin, predicted + margin
    if low <= tight.lower and tight.upper <= high:
        return "holds", shown
    return ("refuted" if shown.lower > high or shown.upper < low else "undecided"), shown


def bound(slacks: Sequence[float] | np.ndarray, tolerance: float) -> tuple[Decided, Quantity]:
    """Test whether a bound is never violated: the least slack over all runs is at least -`tolerance`."""
    least = float(np.min(np.asarray(slacks, np.float64)))
    shown = _over_seeds(least, least, least, 1.0, len(slacks), "none")
    return ("holds" if least >= -tolerance else "refuted"), shown


def ordering(columns: Sequence[Sequence[float]] | np.ndarray) -> tuple[Decided, Quantity]:
    """Whether means rise from column to column, [K, seeds], see `rising`."""
    return rising(np.diff(np.asarray(columns, np.float64), axis=0))


def rising(steps: np.ndarray) -> tuple[Decided, Quantity]:
    """Whether the mean of every step between neighbours, [K - 1, seeds], is above 0, each at 5 % / (K - 1).

    It holds if all lie above 0 and is refuted if one lies below. The interval is that of the smallest step.
    """
    found = [interval(step, 1 - (1 - LEVEL) / len(steps)) for step in steps]
    worst = min(found, key=lambda one: one.lower)
    if worst.lower > 0:
        return "holds", worst
    refuting = min(found, key=lambda one: one.upper)
    return ("refuted", refuting) if refuting.upper < 0 else ("undecided", worst)


def slope(x: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest slope of a least-squares line through y values that lie within bounds.

    A slope is a weighted sum of y with weights of both signs. So the smallest slope takes the lower bounds of some
    values and the upper bounds of others. Raises ValueError if x does not vary.
    """
    x = np.asarray(x, np.float64)
    if len(x) < 2 or np.ptp(x) == 0:
        raise ValueError(f"slope: at least two different x are required, found {x.tolist()}")
    centred = x - x.mean()
    weight = centred / (centred @ centred)
    up = weight > 0
    return float(weight @ np.where(up, lower, upper)), float(weight @ np.where(up, upper, lower))


def both_ends(lower: tuple[Decided, Quantity], upper: tuple[Decided, Quantity]) -> tuple[Decided, Quantity]:
    """Return the verdict on a number that is known by two bounds: their common verdict, or else "undecided".

    The interval covers the intervals of both bounds.
    """
    (one, low), (other, high) = lower, upper
    ends = min(low.lower, high.lower), max(low.upper, high.upper)
    assert low.estimate is not None
    assert high.estimate is not None
    merged = replace(low, lower=ends[0], upper=ends[1], estimate=(low.estimate + high.estimate) / 2)
    return (one if one == other else "undecided"), merged


def judged(
    kind: str,
    lower: np.ndarray,
    upper: np.ndarray,
    predicted: float | None,
    threshold: float,
    margin: float | None,
    by_lower: bool,
) -> tuple[Verdict, Quantity]:
    """Return the verdict on one number per seed, each given by two bounds, and the interval over seeds.

    sign: above the threshold, or on the side of 0 of the predicted value; equality, slope, exponent: within the margin
    of the predicted value; bound: the least number is at least minus the margin; ordering: the means of the columns,
    [K, seeds], rise; report: no verdict. With `by_lower` a prediction holds already if it does for the lower bounds,
    and is refuted only if it is for the upper bounds.
    """
    test: Callable[[np.ndarray], tuple[Decided, Quantity]]
    if kind == "report":
        return "reported", both_ends(("undecided", interval(lower)), ("undecided", interval(upper)))[1]
    if kind == "ordering":  # a step between neighbours is the least from a high to a low bound
        lower, upper = lower[1:] - upper[:-1], upper[1:] - lower[:-1]
        test = rising
    elif kind == "sign" and predicted is not None:
        test = lambda values: signed(values, 1.0 if predicted > 0 else -1.0)  # noqa: E731
    elif kind == "sign":
        test = lambda values: sign(values, threshold)  # noqa: E731
    else:
        assert margin is not None
        test = lambda values: bound(values, margin)  # noqa: E731
        if kind != "bound":
            assert predicted is not None
            test = lambda values: equality(values, predicted, margin)  # noqa: E731
    if by_lower:
        verdict, found = test(lower)
        certain = np.isfinite(upper).all() and test(upper)[0] == "refuted"
        return ("undecided" if verdict == "refuted" and not certain else verdict), found
    return both_ends(test(lower), test(upper))
