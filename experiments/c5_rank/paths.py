"""Numbers at an equal fit KL(S‖q), read along the path of a training, or along interpolated weights."""

from typing import NamedTuple

import numpy as np


class Crossing(NamedTuple):
    """A number where the fit first reaches a level: interpolated, and at the evaluation at which it has."""

    interpolated: float
    stopped: float
    place: int


def at_fit(fit: np.ndarray, values: np.ndarray, level: float) -> Crossing | None:
    """Read `values` where `fit` = KL(S‖q), float64[n] in the order of a path, first is at most a level.

    It is interpolated on a straight line over log fit between the last place above the level and the first one at or
    below it. None if the level is never reached, or if the path begins below it. It raises ValueError for arrays of
    different lengths, and for a fit that is not above 0, which has no logarithm.
    """
    if len(fit) != len(values):
        raise ValueError(f"values: one for each of {len(fit)} fits is required, found {len(values)}")
    if len(fit) and fit.min() <= 0.0:
        raise ValueError(f"fit: numbers above 0 are required, found {fit.min()}")
    reached = np.flatnonzero(fit <= level)
    if not len(reached) or reached[0] == 0:
        return None
    at = int(reached[0])
    before, after = np.log(fit[at - 1]), np.log(fit[at])
    share = (before - np.log(level)) / (before - after)
    return Crossing(float(values[at - 1] + share * (values[at] - values[at - 1])), float(values[at]), at)
