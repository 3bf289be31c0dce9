"""Arrays of several evaluations as one array each, and back. Evaluations may hold different arrays."""

from collections.abc import Mapping, Sequence

import numpy as np

BETWEEN = "law_"
"""Beginning of the names of arrays of probabilities of strings alone.

A record has them between the first and the last evaluation of a phase, or, if it comes from an archive, at all.
"""


def stacked(evaluations: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return each array with a leading axis over the evaluations that have it."""
    names = dict.fromkeys(name for one in evaluations for name in one)
    return {name: np.stack([one[name] for one in evaluations if name in one]) for name in names}


def rows(name: str, number: int, total: int) -> Sequence[int]:
    """Return which evaluations, `number` of `total`, hold an array: all, the first and the last, or those between."""
    if number == total:
        return range(total)
    return range(1, 1 + number) if name.startswith(BETWEEN) else (0, total - 1)[:number]


def unstacked(arrays: Mapping[str, np.ndarray], total: int) -> list[dict[str, np.ndarray]]:
    """Return the evaluations of which `stacked` has made these arrays."""
    found: list[dict[str, np.ndarray]] = [{} for _ in range(total)]
    for name, values in arrays.items():
        for value, index in zip(values, rows(name, len(values), total), strict=True):
            found[index][name] = value
    return found
