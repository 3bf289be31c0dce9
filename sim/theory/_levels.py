"""Laws at which a slope is the same for all outcomes, the condition for a minimum, solved by nested bisection."""

from collections.abc import Callable

import numpy as np

from sim.numerics import log_group_sum

HALVINGS = 100
"""Number of halvings of an interval; then it is shorter than the distance of neighbouring numbers."""

WIDE = 745.0
"""e^-745 is the smallest positive float64."""


def levelled(log_s: np.ndarray, log_slope: Callable[[np.ndarray], np.ndarray], group: np.ndarray) -> np.ndarray:
    """Return log q [nat], float64[N], with log S + log_slope(log q) = mu_x for all outcomes of a group x where S > 0.

    q is 0 where S is 0, and sums to 1 in every group that has an outcome with S > 0. `log_slope` must fall strictly in
    q and go to -inf at q = 1; an outcome that is alone in its group has q = 1. `group` is int[N].
    """
    inside, number = log_s > -np.inf, int(group.max()) + 1
    safe = np.where(inside, log_s, 0.0)
    alone = np.bincount(group[inside], minlength=number)[group] == 1

    def law(mu: np.ndarray) -> np.ndarray:
        low, high = np.full(log_s.shape, -WIDE), np.zeros(log_s.shape)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            with np.errstate(all="ignore"):
                above = safe + log_slope(middle) > mu[group]
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return np.where(inside, 0.5 * (low + high), -np.inf)

    low, high = np.full(number, -WIDE), np.full(number, WIDE)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        much = log_group_sum(law(middle), group, number) > 0.0
        low, high = np.where(much, middle, low), np.where(much, high, middle)
    return np.where(alone & inside, 0.0, law(0.5 * (low + high)))
