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
"""A variance, or an eigenvalue below 0, of at most this times E ‖h‖² is rounding, because E h E hᵀ is subtracted."""


def covariance(second: np.ndarray, mean: np.ndarray, other: np.ndarray) -> np.ndarray:
    """E x yᵀ - E x E yᵀ: float64[D, D']."""
    return np.asarray(second - np.outer(mean, other))


def effective_dimension(second: np.ndarray, mean: np.ndarray) -> float | None:
    """e^H(p) with p_i = λ_i / Σ λ, the shares of variance along the principal axes; None without any variance.

    λ_i are the eigenvalues of the covariance E h hᵀ - E h E hᵀ.

    It lies between 1 and D. It is the effective rank of Roy & Vetterli (2007) of the covariance matrix. They apply it
    to data matrices too, which have singular values √λ_i; squares are used here because λ_i is known to more digits.
    Raises ArithmeticError if an eigenvalue is below 0.
    """
    values, size = np.linalg.eigvalsh(covariance(second, mean, mean)), float(np.trace(second))
    if values[0] < -ROUNDING * size:
        raise ArithmeticError(f"a covariance is required, found the eigenvalue {values[0]:.3g} beside {values[-1]:.3g}")
    if values[-1] <= ROUNDING * size:
        return None
    share = values[values > 0.0] / values[values > 0.0].sum()
    return math.exp(-float(share @ np.log(share)))


def linear_cka(
    cross: np.ndarray, own: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> float | None:
    """‖C_xy‖²_F / (‖C_xx‖_F ‖C_yy‖_F) of centred covariances, in [0, 1]; None if one side does not vary.

    cross: E x yᵀ; own, other: E x xᵀ and E x, E y yᵀ and E y. It is 1 for states that agree up to a rotation and a
    common scale.
    Source: S. Kornblith et al., 2019, "Similarity of neural network representations revisited", section 3.
    """
    sizes = 1.0
    for second, mean in (own, other):
        size = float(np.linalg.norm(covariance(second, mean, mean)))
        if size <= ROUNDING * float(np.trace(second)):
            return None
        sizes *= size
    return float(np.linalg.norm(covariance(cross, own[1], other[1]))) ** 2 / sizes


def _recorded(evaluation: Evaluation) -> dict[str, np.ndarray] | None:
    arrays = evaluation.arrays
    return arrays if "hidden_second" in arrays else None


def _dimension(evaluation: Evaluation) -> Iterator[Cell]:
    if (arrays := _recorded(evaluation)) is None:
        return
    for layer, (second, mean) in enumerate(zip(arrays["hidden_second"], arrays["hidden_mean"], strict=True)):
        if (value := effective_dimension(second, mean)) is not None:
            yield Cell("q", Quantity.of(value), at=f"{layer}")


def _cka(evaluation: Evaluation) -> Iterator[Cell]:
    if (arrays := _recorded(evaluation)) is None or not evaluation.step:
        return
    first = evaluation.world.record.phases[evaluation.phase].at(0)
    for layer, cross in enumerate(arrays["hidden_cross"]):
        own, other = ((tree["hidden_second"][layer], tree["hidden_mean"][layer]) for tree in (arrays, first))
        if (value := linear_cka(cross, own, other)) is not None:
            yield Cell("q,q0", Quantity.of(value), at=f"{layer}")


METRICS = [
    Metric(
        "hidden_dimension", "e^H(λ/Σλ)", "1", "effective number of directions of hidden states, prefixes of P (column "
        "at: layer)", _dimension,
    ),
    Metric("cka", "CKA(h, h₀)", "1", "linear CKA of hidden states with those of q₀, prefixes of P (column at: layer)",
           _cka),
]  # fmt: skip
