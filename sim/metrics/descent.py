"""What an optimiser meets in a fine-tuning: the sharpness of the loss at q0, and the noise of the gradients."""

from collections.abc import Iterator

from sim.metrics.scene import Cell, Evaluation, Metric
from sim.quantity import Quantity


def _sharpness(evaluation: Evaluation) -> Iterator[Cell]:
    if "sharpness" in evaluation.arrays and evaluation.index == 0:
        yield Cell("q0", Quantity.of(float(evaluation.arrays["sharpness"][0])))


def _noise(evaluation: Evaluation) -> Iterator[Cell]:
    if "gradient_noise" in evaluation.arrays:
        yield Cell("q", Quantity.of(float(evaluation.arrays["gradient_noise"][0])))


METRICS = [
    Metric("sharpness", "λ_max", "1", "largest eigenvalue of the Hessian of the loss at q₀", _sharpness),
    Metric(
        "gradient_noise",
        "rms (g − ḡ)/√v",
        "1",
        "noise of a batch's gradient, in units of √v as Adam would have it",
        _noise,
    ),
]
