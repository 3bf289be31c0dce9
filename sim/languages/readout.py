"""Next-token laws that a matrix changes through fixed features: their divergence, and the best matrix of a given rank.

This is what a low-rank adapter of the output matrix can reach if everything else in a model is frozen.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import minimize

from sim.languages.automaton_ops import row_divergences
from sim.numerics import log_softmax

STEPS = 300
"""Largest number of steps of one fit."""


@dataclass(frozen=True, eq=False)
class Readout:
    """The laws q_M(a|h) proportional to q0(a|h) exp(phi(h)ᵀ M e_a) at H prefixes h, for d x V matrices M.

    log_base: log q0(a|h) [nat], float64[H, V]; every row sums to 1, and tokens that may not follow have -inf.
    features: phi(h), float64[H, d].
    """

    log_base: np.ndarray
    features: np.ndarray

    def tilted(self, matrix: np.ndarray) -> np.ndarray:
        """log q_M(a|h) [nat]: float64[H, V], for M, float64[d, V]."""
        return log_softmax(self.log_base + self.features @ matrix)

    def rotated(self, basis: np.ndarray) -> "Readout":
        """Return the same laws with the features basisᵀ phi(h). A matrix N there is the matrix `basis` N here."""
        return Readout(self.log_base, self.features @ basis)


@dataclass(frozen=True, eq=False)
class Aim:
    """A target law at the prefixes of a readout, and how much each prefix counts.

    readout: the laws that are compared with it; weights: float64[H], such as the probabilities S(h); log_target: log
    S(a|h) [nat], float64[H, V]. Then `loss(M)` is sum_h S(h) KL(S(.|h) || q_M(.|h)), which is KL(S || q_M) of whole
    strings if the other tokens of both laws agree. It is convex in M.
    """

    readout: Readout
    weights: np.ndarray
    log_target: np.ndarray

    def loss(self, matrix: np.ndarray) -> float:
        """sum_h w_h KL(S(.|h) || q_M(.|h)) [nat], at least 0."""
        return float(self.weights @ row_divergences(self.log_target, self.readout.tilted(matrix)))

    @cached_property
    def target(self) -> np.ndarray:
        """S(a|h): float64[H, V]."""
        return np.exp(self.log_target)

    @cached_property
    def _entropy(self) -> float:
        """sum_h w_h H(S(.|h)) [nat]."""
        return float(-(self.weights[:, None] * self.target * np.where(self.target > 0.0, self.log_target, 0.0)).sum())

    def slope(self, matrix: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss and its gradient sum_h w_h phi(h) (q_M(.|h) - S(.|h))ᵀ: float64[d, V].

        The loss is here a difference of entropies, which is quicker and leaves rounding errors where it is near 0.
        """
        log_q = self.readout.tilted(matrix)
        gradient = self.readout.features.T @ (self.weights[:, None] * (np.exp(log_q) - self.target))
        crossed = -(self.weights[:, None] * self.target * np.where(self.target > 0.0, log_q, 0.0)).sum()
        return float(crossed) - self._entropy, gradient


@dataclass(frozen=True, eq=False)
class Fit:
    """A matrix, float64[d, V], and its loss [nat]. The least loss of its rank is at most this."""

    matrix: np.ndarray
    loss: float


def fitted(aim: Aim, start: np.ndarray, rank: int) -> Fit:
    """Minimise the loss over matrices M = B A of at most this rank, from the best such approximation of `start`.

    B is float64[d, r] and A is float64[r, V]; both are free, so the problem is not convex, and the result is a local
    minimum: an upper bound of the least loss. With r = 0 it is the loss of M = 0. It uses L-BFGS.
    Source: S. Burer, R. D. C. Monteiro, 2003, "A nonlinear programming algorithm for solving semidefinite programs via
    low-rank factorization", for the factors; D. C. Liu, J. Nocedal, 1989, for L-BFGS.
    """
    if not rank:
        return Fit(np.zeros_like(start), aim.loss(np.zeros_like(start)))
    left, sizes, right = np.linalg.svd(start, full_matrices=False)
    root = np.sqrt(sizes[:rank])
    first, second = left[:, :rank] * root, root[:, None] * right[:rank]
    split = first.size

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        b, a = flat[:split].reshape(first.shape), flat[split:].reshape(second.shape)
        loss, slope = aim.slope(b @ a)
        return loss, np.concatenate([(slope @ a.T).ravel(), (b.T @ slope).ravel()])

    flat = np.concatenate([first.ravel(), second.ravel()])
    found = minimize(value, flat, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": 1e-10}).x
    matrix = found[:split].reshape(first.shape) @ found[split:].reshape(second.shape)
    return Fit(matrix, aim.loss(matrix))


def best_of(aim: Aim, starts: list[np.ndarray], rank: int) -> Fit:
    """Return the best of the fits from several starts."""
    return min((fitted(aim, start, rank) for start in starts), key=lambda fit: fit.loss)
