"""The hard threshold for singular values that separates a signal of low rank from noise of unknown size.

Source: M. Gavish and D. Donoho, 2014, "The optimal hard threshold for singular values is 4/√3" (arXiv 1305.5870),
equations 11 and 13. A. Abro and M. Tahir, 2026 (arXiv 2605.20296), apply it to the change of every matrix of a
fine-tuned model ("DG-Hard").
"""

import functools
import math

import numpy as np

NODES = 64
"""Number of nodes of the Gauss-Legendre rule for the distribution function; the integrand is smooth."""


def coefficient(aspect: float) -> float:
    """λ*(β): the threshold in units of √n σ, where σ is the size of the noise and n the longer side of the matrix.

    β, the aspect, is the shorter side over the longer one. λ*(1) = 4/√3. It raises ValueError unless 0 < β <= 1.
    """
    _check(aspect)
    root = math.sqrt(aspect * aspect + 14.0 * aspect + 1.0)
    return math.sqrt(2.0 * (aspect + 1.0) + 8.0 * aspect / (aspect + 1.0 + root))


@functools.lru_cache(maxsize=256)
def noise_median(aspect: float) -> float:
    """√μ_β: the median singular value of an m x n matrix of independent noise of size 1/√n, for large m and n.

    μ_β is the median of the law of Marchenko and Pastur. With x = 1 + β + 2 √β cos t its distribution function is
    1 - (2/π) ∫_0^t sin² s / (1 + β + 2 √β cos s) ds. It is inverted by bisection.
    """
    _check(aspect)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)

    def above(t: float) -> float:
        s = t * (nodes + 1.0) / 2.0
        return float(t / math.pi * (weights @ (np.sin(s) ** 2 / _eigenvalue(aspect, s))))

    low, high = 0.0, math.pi
    while high - low > 4.0 * np.spacing(high):
        middle = (low + high) / 2.0
        low, high = (middle, high) if above(middle) < 0.5 else (low, middle)
    return math.sqrt(float(_eigenvalue(aspect, np.array(high))))


def hard_threshold(values: np.ndarray, shape: tuple[int, int]) -> float:
    """τ = λ*(β)/√μ_β times the median of the singular values of a matrix; those above it are kept.

    For square matrices the factor is 2.858. The size of the noise is estimated by the median.
    """
    short, long = sorted(shape)
    return coefficient(short / long) / noise_median(short / long) * float(np.median(values))


def _eigenvalue(aspect: float, t: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 + aspect + 2.0 * math.sqrt(aspect) * np.cos(t))


def _check(aspect: float) -> None:
    if not 0.0 < aspect <= 1.0:
        raise ValueError(f"aspect: a number above 0 and at most 1 is required, found {aspect}; give the shorter side")
