"""How far the parameters have walked: the quadratic variation of the path of a training."""

from collections.abc import Iterator

import numpy as np

from sim.metrics.scene import Cell, Evaluation, Metric
from sim.quantity import Quantity


def _walked(evaluation: Evaluation) -> Iterator[Cell]:
    """Q up to this evaluation, with the bounds of sums in float32. Nothing for phases whose steps were not recorded."""
    if evaluation.is_truth or evaluation.step == 0:
        return
    found = evaluation.world.record.phases[evaluation.phase].squared_steps
    if found is not None:
        lower, upper = np.sum(found[: evaluation.step], axis=0)
        yield Cell("q0,q", Quantity(float(lower), float(upper)))


METRICS = [
    Metric(
        "squared_path", "Q", "1", "sum of the squared Euclidean lengths of all steps (finetune.kl_every_step)",
        _walked,
    ),
]  # fmt: skip
