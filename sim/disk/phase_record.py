"""What a record holds of one training."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim.disk.stacking import rows

BY_STEP = ("kl_every_step", "squared_steps")
"""Arrays with one row for each step of a training. They are fields of a `PhaseRecord`."""


@dataclass(frozen=True, eq=False)
class PhaseRecord:
    """One training: its recorded arrays, with a leading axis of T evaluations (see `sim.training.node_record`).

    With `record: laws` the arrays at nodes and edges are those of the first and the last evaluation only, and those of
    `sim.metrics.law_record` are those of the evaluations between them.

    kl_every_step: KL(S‖q) of the prompt and of the answer after the steps 1, 2, ... [nat per string], float64[T, 2],
    see `sim.training.watched`; None if it was not recorded. Here T is the number of steps. squared_steps: bounds of the
    squared Euclidean length of each step, float64[T, 2]; None in older records.
    """

    steps: np.ndarray  # int[T]
    losses: np.ndarray  # float64[T], mean loss since the previous evaluation [nat per string], nan at step 0
    arrays: Mapping[str, np.ndarray]  # float64[T, E] and float64[T, M]
    kl_every_step: np.ndarray | None = None
    squared_steps: np.ndarray | None = None

    def at(self, index: int) -> dict[str, np.ndarray]:
        """Return the arrays of one evaluation; a negative index counts from the end. Raises IndexError for others."""
        total = len(self.steps)
        wanted, found = range(total)[index], {}
        for name, values in self.arrays.items():
            held = rows(name, len(values), total)
            if wanted in held:
                found[name] = values[held.index(wanted)]
        return found
