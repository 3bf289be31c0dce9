"""Intervals over paired seeds, and what they say about a prediction."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy import stats

Outcome: TypeAlias = Literal["holds", "refuted", "undecided"]

LEVEL = 0.95
"""Coverage of the intervals that are shown."""

BOOTSTRAP_FROM = 20
"""Seeds from which the bootstrap takes the place of t: with fewer it covers less often, skewed values or not."""

RESAMPLES = 4_999
"""Bootstrap samples."""


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with an interval that covers the expectation with probability `level`, approximately."""

    estimate: float
    lower: float
    upper: float
    level: float
    num_seeds: int
    method: str  # t, BCa, or none (one seed, or a value without randomness)


def interval(values: Sequence[float] | np.ndarray, level: float = LEVEL) -> Interval:
    """Of the mean of one value per seed: Student's t below 20 seeds, the BCa bootstrap from 20 on.

    Infinitely wide for one seed. Values that are all equal have width 0. Raises ValueError for no values, and for
    values that are not finite. Source: Student 1908; Efron 1987, "Better bootstrap confidence intervals".
    """
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise ValueError(f"interval: finite values, one per seed, are required, found {x.tolist()}")
    mean = math.fsum(x) / len(x)
    if len(x) == 1:
        return Interval(mean, -math.inf, math.inf, level, 1, "none")
    if np.ptp(x) == 0:
        return Interval(mean, mean, mean, level, len(x), "none")
    if len(x) < BOOTSTRAP_FROM:
        half = float(stats.t.ppf(0.5 + level / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
        return Interval(mean, mean - half, mean + half, level, len(x), "t")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (x,), np.mean, n_resamples=RESAMPLES, confidence_level=level, method="BCa", rng=np.random.default_rng(0)
        ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), level, len(x), "BCa")


def sign(differences: Sequence[float] | np.ndarray, threshold: float = 0.0) -> tuple[Outcome, Interval]:
    """Whether the mean paired difference is above `threshold`: the interval lies above it, below it, or around it."""
    found = interval(differences)
    if found.lower > threshold:
        return "holds", found
    return ("refuted" if found.upper < threshold else "undecided"), found


def equality(values: Sequence[float] | np.ndarray, predicted: float, margin: float) -> tuple[Outcome, Interval]:
    """Whether the mean is within `margin` of a prediction: two one-sided tests at 5 %.

    It holds if the 90 % interval lies inside, is refuted if the 95 % interval lies outside, else it is undecided.
    Source: Schuirmann 1987, "A comparison of the two one-sided tests procedure".
    """
    if not margin > 0:
        raise ValueError(f"equality: a positive margin is required, found {margin!r}")
    shown, tight = interval(values), interval(values, 2 * LEVEL - 1)
    low, high = predicted - margin, predicted + margin
    if low <= tight.lower and tight.upper <= high:
        return "holds", shown
    return ("refuted" if shown.lower > high or shown.upper < low else "undecided"), shown


def bound(slacks: Sequence[float] | np.ndarray, tolerance: float) -> tuple[Outcome, Interval]:
    """Whether a bound is never violated: the least slack over all runs is at least -`tolerance`."""
    least = float(np.min(np.asarray(slacks, np.float64)))
    shown = Interval(least, least, least, 1.0, len(slacks), "none")
    return ("holds" if least >= -tolerance else "refuted"), shown


def ordering(columns: Sequence[Sequence[float]] | np.ndarray) -> tuple[Outcome, Interval]:
    """Whether means rise from column to column, [K, seeds]: every neighbours' paired difference at 5 % / (K - 1).

    It holds if all lie above 0, is refuted if one lies below; the interval is that of the smallest difference.
    """
    x = np.asarray(columns, np.float64)
    steps = [interval(step, 1 - (1 - LEVEL) / (len(x) - 1)) for step in np.diff(x, axis=0)]
    worst = min(steps, key=lambda one: one.lower)
    if worst.lower > 0:
        return "holds", worst
    refuting = min(steps, key=lambda one: one.upper)
    return ("refuted", refuting) if refuting.upper < 0 else ("undecided", worst)


def slope(x: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest slope of a least-squares line through y that are only known to lie within bounds.

    A slope is a sum of y with weights that have both signs, so that its ends take lower ends of some and upper ends of
    others. Raises ValueError where x does not vary.
    """
    x = np.asarray(x, np.float64)
    if len(x) < 2 or np.ptp(x) == 0:
        raise ValueError(f"slope: at least two different x are required, found {x.tolist()}")
    centred = x - x.mean()
    weight = centred / (centred @ centred)
    up = weight > 0
    return float(weight @ np.where(up, lower, upper)), float(weight @ np.where(up, upper, lower))
