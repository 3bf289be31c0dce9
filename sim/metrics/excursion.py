"""How far a fine-tuning moves away from S between its evaluations: the largest KL(S‖q) of any step."""

from collections.abc import Iterator

import numpy as np

from sim.disk.records import PhaseRecord
from sim.metrics.scene import Cell, Evaluation, Metric
from sim.metrics.scored import View
from sim.quantity import Quantity

ERROR = 3e-7
"""Bound of the rounding errors of a KL that was summed in float32 [nat per token], see `sim.training.watched`."""


def kl_by_step(phase: PhaseRecord, view: View) -> np.ndarray | None:
    """KL(S‖q_t) [nat per string] after the steps t = 1, 2, ... of a phase, float64[T]; None if it was not recorded.

    The prompt law of the response view is S(x). The numbers were summed in float32: their error is at most ERROR times
    the horizon, relative to numbers above 1.
    """
    found = phase.kl_every_step
    return None if found is None else found[:, 1] if view == "response" else found.sum(axis=1)


def rounded(value: float, length: int) -> Quantity:
    """Return bounds of a number of `kl_by_step` for strings of a horizon `length`. An infinite one is exact."""
    if not np.isfinite(value):
        return Quantity.of(value)
    error = ERROR * length * max(1.0, value)
    return Quantity.within_rounding(value - error, value + error, error)


def _largest(evaluation: Evaluation) -> Iterator[Cell]:
    if evaluation.is_truth or evaluation.index == 0:
        return
    world = evaluation.world
    phase = world.record.phases[evaluation.phase]
    found = kl_by_step(phase, world.view)
    if found is not None:
        before = int(phase.steps[evaluation.index - 1])
        yield Cell(
            "q", rounded(float(found[before : evaluation.step].max()), world.record.p.trie.length), world.law_names[1]
        )


METRICS = [
    Metric(
        "largest_fit_kl",
        "max KL(S‖q_t)",
        "nat",
        "largest KL(S‖q_t) of all steps t after the previous evaluation, summed in float32 (finetune.kl_every_step)",
        _largest,
    )
]
