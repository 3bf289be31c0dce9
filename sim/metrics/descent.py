"""What an optimiser meets in a fine-tuning: the sharpness of the loss at q0, and the noise of the gradients."""

from collections.abc import Iterator

from sim.metrics.scene import Cell, Evaluation, Metric
from sim.quantity import Quantity


def _sharpness(evaluation: Evaluation) -> Iterator[Cell]:
    if "sharpness" in evaluation.arrays and evaluation.index == 0:
        yield Cell("q0", _estimated(float(evaluation.arrays["sharpness"][0])))


def _noise(evaluation: Evaluation) -> Iterator[Cell]:
    if "gradient_noise" in evaluation.arrays:
        yield Cell("q", _estimated(float(evaluation.arrays["gradient_noise"][0])))


def _estimated(value: float) -> Quantity:
    """An estimate without an interval: from some batches, or by an iteration that ends. So its level is 0."""
    return Quantity(value, value, "estimated", value, level=0.0, count=1, method="none")


METRICS = [
    Metric("sharpness", "λ_max", "1", "largest eigenvalue of the Hessian of the loss at q₀, to 1 %", _sharpness),
    Metric(
        "gradient_noise",
        "rms (g − ḡ)/√v",
        "1",
        "noise of a batch's gradient, in units of √v as Adam would have it, from 16 batches",
        _noise,
    ),
]
