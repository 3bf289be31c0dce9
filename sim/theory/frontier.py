"""The exact frontier: the least forgetting KL(P‖q) that any model q can have at a given fit KL(S‖q).

Laws are log-probabilities [nat], float64[N], on one list of strings. P is positive where S is, else no q fits both with
finite numbers at each weight. The proofs are in docs/theory.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sim.numerics import expectation, log_group_sum
from sim.theory._inverse import inverse
from sim.theory.optima import replay

Curve: TypeAlias = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""From log λ to the fit KL(S‖q_λ), its slope against log λ, and the forgetting KL(P‖q_λ): float64[K] all."""

ROWS = 256
"""Number of weights that are computed at a time."""

FARTHEST = 600.0
"""Largest |log λ| that is tried, so that λ neither overflows nor underflows."""


@dataclass(frozen=True)
class Point:
    """A point of the frontier, which the law q_λ = (S + λP)/(1 + λ) reaches."""

    weight: float  # λ, the weight of KL(P‖q); λ/(1 + λ) is the weight of a replay
    fit: float  # KL(S‖q_λ) [nat]
    forgetting: float  # KL(P‖q_λ) [nat], the least of all q with this fit


def frontier_law(log_s: np.ndarray, log_p: np.ndarray, weight: float) -> np.ndarray:
    """q_λ = (S + λP)/(1 + λ), the minimiser of KL(S‖q) + λ KL(P‖q): log q_λ [nat], float64[N].

    Raises ValueError unless λ is positive and finite.
    """
    _check(weight)
    return replay(log_s, log_p, weight / (1.0 + weight))


def frontier_point(log_s: np.ndarray, log_p: np.ndarray, weight: float) -> Point:
    """The fit and the forgetting of q_λ. Raises ValueError unless λ is positive and finite.

    log(S/q_λ) = log(1 + λ) - log(1 + λP/S) and log(P/q_λ) = log(1 + 1/λ) - log(1 + S/(λP)), so that no digits are lost
    at either end.
    """
    _check(weight)
    log_weight = math.log(weight)
    on_s, on_p = log_s > -np.inf, log_p > -np.inf
    ratio = np.where(on_p, log_s - np.where(on_p, log_p, 0.0), np.inf)  # log S/P; P is positive where S is
    fit = np.logaddexp(0.0, log_weight) - np.logaddexp(0.0, log_weight - np.where(on_s, ratio, 0.0))
    forgetting = np.logaddexp(0.0, -log_weight) - np.logaddexp(0.0, ratio - log_weight)
    return Point(weight, expectation(log_s, fit), expectation(log_p, forgetting))


def answers_point(log_s: np.ndarray, log_p: np.ndarray, weight: float, prompt: np.ndarray) -> Point:
    """The point of the frontier of answers: the least E_S(x) KL(S(.|x)‖q(.|x)) + λ E_P(x) KL(P(.|x)‖q(.|x)).

    It is reached by the answers of q_λ, the same mixture of documents. By the chain rule of KL both numbers are those
    of documents less those of prompts. `prompt` is the number of the prompt of each document, int[N].
    """
    number = int(prompt.max()) + 1
    whole = frontier_point(log_s, log_p, weight)
    part = frontier_point(log_group_sum(log_s, prompt, number), log_group_sum(log_p, prompt, number), weight)
    return Point(weight, whole.fit - part.fit, whole.forgetting - part.forgetting)


def least_forgetting(log_s: np.ndarray, log_p: np.ndarray, fit: float, prompt: np.ndarray | None = None) -> float:
    """The least KL(P‖q) [nat] of all laws q with KL(S‖q) = `fit`, or less: the frontier at a given fit.

    It is KL(P‖S), which may be infinite, at fit 0, and 0 from KL(S‖P) on. With `prompt`, the number of the prompt of
    each document, both are those of answers given the prompt, with the prompts of P and of S. Raises ValueError for a
    negative fit or nan.
    """
    return float(least_forgettings(log_s, log_p, np.array([fit], np.float64), prompt)[0])


def least_forgettings(
    log_s: np.ndarray, log_p: np.ndarray, fits: np.ndarray, prompt: np.ndarray | None = None
) -> np.ndarray:
    """The same for many fits at once: float64[K]."""
    fits = np.asarray(fits, np.float64)
    if not (fits >= 0.0).all():
        wrong = fits[~(fits >= 0.0)][0]
        raise ValueError(f"least_forgetting: a fit KL(S‖q) of at least 0 is required, found {float(wrong)!r}")
    curve = _curve(log_s, log_p, prompt)
    found = np.zeros(fits.shape)
    found[fits == 0.0] = _between(log_p, log_s, prompt) if (fits == 0.0).any() else 0.0
    inner = (fits > 0.0) & (fits < _between(log_s, log_p, prompt))
    found[inner] = curve(inverse(lambda at: curve(at)[:2], fits[inner], -FARTHEST, FARTHEST))[2]
    return found


def frontier_points(
    log_s: np.ndarray, log_p: np.ndarray, weights: np.ndarray, prompt: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The fits and the forgettings [nat] of q_λ for many weights λ, float64[K] both: the frontier as a curve.

    Raises ValueError unless all weights are positive and finite.
    """
    for weight in np.asarray(weights, np.float64):
        _check(float(weight))
    fit, _, forgetting = _curve(log_s, log_p, prompt)(np.log(weights))
    return fit, forgetting


def _curve(log_s: np.ndarray, log_p: np.ndarray, prompt: np.ndarray | None) -> Curve:
    """Return the function from log λ to the fit, its slope, and the forgetting; of answers, if there are prompts."""
    whole = _curve_of(log_s, log_p)
    if prompt is None:
        return whole
    number = int(prompt.max()) + 1
    part = _curve_of(*(log_group_sum(law, prompt, number) for law in (log_s, log_p)))

    def answers(log_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        (fit, slope, forgetting), (less, slower, fewer) = whole(log_weight), part(log_weight)
        return fit - less, slope - slower, forgetting - fewer

    return answers


def _curve_of(log_s: np.ndarray, log_p: np.ndarray) -> Curve:
    """As `frontier_point` for many weights. Where S is 0, log(P/q_λ) = log(1 + 1/λ), whatever P is there."""
    on_s = log_s > -np.inf
    s, p, ratio = np.exp(log_s[on_s]), np.exp(log_p[on_s]), log_s[on_s] - log_p[on_s]
    lost = math.fsum(np.exp(log_p[~on_s]))

    def points(log_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        fit, slope, forgetting = (np.empty(len(log_weight)) for _ in range(3))
        for first in range(0, len(log_weight), ROWS):
            rows = slice(first, first + ROWS)
            at = log_weight[rows, None]
            far, near = np.logaddexp(0.0, at), np.logaddexp(0.0, -at)  # log(1 + λ), log(1 + 1/λ)
            x = at - ratio
            small = np.log1p(np.exp(-np.abs(x)))
            fit[rows] = (far - np.maximum(x, 0.0) - small) @ s
            slope[rows] = (np.exp(-near) - np.exp(np.minimum(x, 0.0) - small)) @ s
            forgetting[rows] = (near - np.maximum(-x, 0.0) - small) @ p + near[:, 0] * lost
        return fit, slope, forgetting

    return points


def _between(log_p: np.ndarray, log_q: np.ndarray, prompt: np.ndarray | None) -> float:
    """KL(p‖q) [nat] of documents, or of answers given the prompt; +inf if q is 0 where p is not."""
    whole = divergence(log_p, log_q)
    if prompt is None or not math.isfinite(whole):
        return whole
    number = int(prompt.max()) + 1
    return whole - divergence(log_group_sum(log_p, prompt, number), log_group_sum(log_q, prompt, number))


def regret(log_s: np.ndarray, log_p: np.ndarray, log_q: np.ndarray, weight: float) -> float:
    """(1 + λ) KL(q_λ‖q) [nat]: by how much KL(S‖q) + λ KL(P‖q) lies above its least value. It is 0 only for q = q_λ.

    q may have mass off the list. Raises ValueError unless λ is positive and finite.
    """
    return (1.0 + weight) * divergence(frontier_law(log_s, log_p, weight), log_q)


def divergence(log_p: np.ndarray, log_q: np.ndarray) -> float:
    """KL(p‖q) [nat] of two laws on the list; +inf if q is 0 where p is not. Its absolute error is that of a sum."""
    inside = log_p > -np.inf
    return expectation(log_p, np.where(inside, np.where(inside, log_p, 0.0) - log_q, 0.0))


def _check(weight: float) -> None:
    if not 0.0 < weight < math.inf:
        raise ValueError(f"frontier: a finite weight λ above 0 is required, found {weight!r}")
