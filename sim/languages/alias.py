"""Walker's alias table, with which an outcome of any law is drawn in constant time."""

import numpy as np


def alias_table(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walker's alias table of a law: keep float64[N] and alias int[N].

    They satisfy P(i) = (keep_i + sum over j with alias_j = i of (1 - keep_j)) / N.
    Source: M. Vose, 1991, "A linear algorithm for generating random numbers with a given distribution".
    """
    keep = probability / probability.sum() * len(probability)
    alias = np.arange(len(keep))
    small, large = list(np.flatnonzero(keep < 1.0)), list(np.flatnonzero(keep >= 1.0))
    while small and large:
        low, high = small.pop(), large[-1]
        alias[low] = high
        keep[high] -= 1.0 - keep[low]
        if keep[high] < 1.0:
            small.append(large.pop())
    left = small + large
    if left and np.abs(keep[left] - 1.0).max() > 1e-6:
        raise ArithmeticError("alias table: the entries that are left over must be 1 up to rounding")
    keep[left] = 1.0
    return keep, alias
