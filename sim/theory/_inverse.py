"""Where a rising function has given values: Newton's method inside a shrinking interval, for many values at once."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

Rising: TypeAlias = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From places, float64[K], to values and slopes there, float64[K] both. Values rise with the place."""

SAME = 2.0**-51
"""A step this short, against the place or 1, ends the search."""


def inverse(function: Rising, targets: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the places in [low, high] at which a rising function has the target values, float64[K].

    A target below the value at `low` gets about `low`, and one above that at `high` about `high`. A step that is longer
    than half of the one before is replaced by halving the interval, so the search ends. Raises ValueError for nan.
    """
    targets = np.asarray(targets, np.float64)
    if np.isnan(targets).any():
        raise ValueError("inverse: target values are required, found nan")
    lower, upper = np.full(targets.shape, low), np.full(targets.shape, high)
    place, before = 0.5 * (lower + upper), upper - lower
    left = np.arange(len(targets))
    while len(left):
        here = place[left]
        value, slope = function(here)
        below = value < targets[left]
        lower[left], upper[left] = np.where(below, here, lower[left]), np.where(below, upper[left], here)
        with np.errstate(all="ignore"):
            step = (targets[left] - value) / slope
        short = (np.abs(step) <= 0.5 * before[left]) & (here + step >= lower[left]) & (here + step <= upper[left])
        new = np.where(short, here + np.where(short, step, 0.0), 0.5 * (lower[left] + upper[left]))
        before[left] = np.abs(new - here)
        found = value == targets[left]
        place[left] = np.where(found, here, new)
        left = left[~(found | (before[left] <= SAME * np.maximum(1.0, np.abs(here))))]
    return place
