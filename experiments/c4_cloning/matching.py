"""Quantities of runs at equal levels of another quantity, by interpolation along the recorded path."""

from typing import NamedTuple

import numpy as np
import polars as pl

GATES = (0.9, 0.99, 0.999)
"""Levels of q(A) at which forgetting is compared."""


class Matched(NamedTuple):
    """A quantity where another one first reaches a level, and the two recorded neighbours between which it was read."""

    value: float
    before: float
    after: float


def at_level(progress: np.ndarray, values: np.ndarray, level: float) -> Matched | None:
    """Read `values` where `progress`, float64[n] over the evaluations of a run, first reaches a level.

    It is read on a straight line between the last evaluation below the level and the first one at or above it. None if
    the level is never reached, or if it is reached at the first evaluation already, so that nothing lies before it.
    Raises ValueError for arrays of different or no length.
    """
    if len(progress) != len(values) or not len(values):
        raise ValueError(f"level: arrays of one length are required, found {len(progress)} and {len(values)}")
    reached = np.flatnonzero(progress >= level)
    if not len(reached) or reached[0] == 0:
        return None
    i = int(reached[0])
    share = (level - progress[i - 1]) / (progress[i] - progress[i - 1])
    return Matched(float(values[i - 1] + share * (values[i] - values[i - 1])), float(values[i - 1]), float(values[i]))


def odds(gate: np.ndarray) -> np.ndarray:
    """−log(1 − q(A)), in which the path of a gate is smooth; +inf where q(A) = 1."""
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(np.maximum(0.0, 1.0 - gate)))


def at_gates(paths: pl.DataFrame) -> pl.DataFrame:
    """Return KL(P_A‖q_A) of every run at each level of q(A) that it reaches: a row for each run and level.

    Columns: run, seed, part, restriction, targets, paid, narrowed, level, forgot, and the two neighbours before
    and after. It is read on a straight line over −log(1 − q(A)).
    """
    rows = []
    keys = ["run", "seed", "part", "restriction", "targets", "paid", "narrowed"]
    for key, own in paths.filter(phase="sft").sort("step").group_by(keys, maintain_order=True):
        progress, values = odds(own["gate"].to_numpy()), own["forgot"].to_numpy()
        for level in GATES:
            found = at_level(progress, values, float(odds(np.array(level))))
            if found is not None:
                said = dict(zip(keys, key, strict=True))
                rows.append({**said, "level": level, "forgot": found.value, "before": found.before,
                             "after": found.after})  # fmt: skip
    return pl.DataFrame(rows)
