"""Hidden states: how many directions they use, and how similar they are to those of q0. From the probe `hidden`.

Prefixes have the law of P. Layer 0 is the embedding, layer i the residual stream after block i, and the last layer is
what the output matrix reads, after the last norm.
"""

import math
from collections.abc import Iterator

import numpy as np

from sim.metrics.scene import Cell, Evaluation, Metric
from sim.quantity import Quantity

ROUNDING = 1e-12
"""An eigenvalue of a covariance may be below 0 by this times the largest one."""


def covariance(second: np.ndarray, mean: np.ndarray, other: np.ndarray) -> np.ndarray:
    """E x yᵀ - E x E yᵀ: float64[D, D']."""
    return np.asarray(second - np.outer(mean, other))


def effective_dimension(cov: np.ndarray) -> float | None:
    """e^H(p) with p_i = λ_i / Σ λ, the shares of variance along the principal axes; None without any variance.

    It lies between 1 and D. It is the effective rank of Roy & Vetterli (2007) of the covariance matrix. They apply it
    to data matrices too, which have singular values √λ_i; squares are used here because λ_i is known to more digits.
    Raises ArithmeticError for a matrix with an eigenvalue below 0.
    """
    values = np.linalg.eigvalsh(cov)
    if values[0] < -ROUNDING * abs(values[-1]) * len(values):
        raise ArithmeticError(f"a covariance is required, found the eigenvalue {values[0]:.3g} beside {values[-1]:.3g}")
    if values[-1] <= 0.0:
        return None
    share = values[values > 0.0] / values[values > 0.0].sum()
    return math.exp(-float(share @ np.log(share)))


def linear_cka(cross: np.ndarray, own: np.ndarray, other: np.ndarray) -> float | None:
    """‖C_xy‖²_F / (‖C_xx‖_F ‖C_yy‖_F), from centred covariances, in [0, 1]; None if one side does not vary.

    It is 1 for states that agree up to a rotation and a common scale.
    Source: S. Kornblith et al., 2019, "Similarity of neural network representations revisited", section 3.
    """
    sizes = float(np.linalg.norm(own) * np.linalg.norm(other))
    return float(np.linalg.norm(cross)) ** 2 / sizes if sizes > 0.0 else None


def _recorded(evaluation: Evaluation) -> dict[str, np.ndarray] | None:
    arrays = evaluation.arrays
    return arrays if "hidden_second" in arrays else None


def _dimension(evaluation: Evaluation) -> Iterator[Cell]:
    if (arrays := _recorded(evaluation)) is None:
        return
    for layer, (second, mean) in enumerate(zip(arrays["hidden_second"], arrays["hidden_mean"], strict=True)):
        if (value := effective_dimension(covariance(second, mean, mean))) is not None:
            yield Cell("q", Quantity.of(value), at=f"{layer}")


def _cka(evaluation: Evaluation) -> Iterator[Cell]:
    if (arrays := _recorded(evaluation)) is None or not evaluation.step:
        return
    first = evaluation.world.record.phases[evaluation.phase].at(0)
    names = ("hidden_mean", "hidden_second")
    for layer, cross in enumerate(arrays["hidden_cross"]):
        (mean, second), (mean_0, second_0) = ([tree[name][layer] for name in names] for tree in (arrays, first))
        value = linear_cka(
            covariance(cross, mean, mean_0), covariance(second, mean, mean), covariance(second_0, mean_0, mean_0)
        )
        if value is not None:
            yield Cell("q,q0", Quantity.of(value), at=f"{layer}")


METRICS = [
    Metric(
        "hidden_dimension", "e^H(λ/Σλ)", "1", "effective number of directions of hidden states, prefixes of P (column "
        "at: layer)", _dimension,
    ),
    Metric("cka", "CKA(h, h₀)", "1", "linear CKA of hidden states with those of q₀, prefixes of P (column at: layer)",
           _cka),
]  # fmt: skip
