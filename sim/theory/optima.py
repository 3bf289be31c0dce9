"""Predicted minimisers of the training objectives, as laws on a common list of strings.

Laws are log-probabilities [nat], float64[N], of whole documents. If there are prompts, mix the joint laws first and
then condition on the prompt; `mixture_weight` gives the same result prompt by prompt (see docs/laws.md).
"""

import numpy as np

from sim.numerics import expectation


def replay(log_s: np.ndarray, log_p: np.ndarray, weight: float) -> np.ndarray:
    """q* = (1-λ) S + λ P, the minimiser of cross-entropy on this mixture, 0 <= λ <= 1. Self-replay replaces P by q0."""
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"replay: 0 <= weight <= 1 is required, found {weight!r}")
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log1p(-weight) + log_s, np.log(weight) + log_p)


def forward_kl_to_base(log_s: np.ndarray, log_base: np.ndarray, strength: float) -> np.ndarray:
    """q* = (S + β q0) / (1+β), the minimiser of -E_S log q + β KL(q0‖q) over strings, β >= 0.

    It is self-replay with λ = β/(1+β).
    """
    return replay(log_s, log_base, _odds("forward_kl_to_base", strength))


def replay_forgetting(log_mass: float | np.ndarray, weight: float | np.ndarray) -> np.ndarray:
    """KL(P‖q*) [nat] of replay for S = P_A: -P(B) log λ - P(A) log(λ + (1-λ)/P(A)). It is at most -log λ.

    `log_mass` is log P(A) [nat], and -inf is not allowed. Arrays broadcast; per prompt they are log P(A|x) and
    `mixture_weight`. λ = 0 gives +inf unless P(B) = 0.
    """
    log_mass = np.asarray(log_mass, np.float64)
    kept, lost = np.exp(log_mass), -np.expm1(log_mass)
    with np.errstate(divide="ignore"):
        surprise = np.where(lost > 0.0, -np.log(weight), 0.0)
        return np.asarray(lost * surprise - kept * np.log(weight + (1.0 - np.asarray(weight)) / kept))


def mixture_weight(log_law_s: np.ndarray, log_law_p: np.ndarray, weight: float) -> np.ndarray:
    """λ_x = λ P(x) / ((1-λ) S(x) + λ P(x)), the weight of P(.|x) in the answers of the mixture: float64[G].

    It equals λ where S(x) = P(x). Prompts must have positive probability under the mixture.
    """
    with np.errstate(divide="ignore"):
        log_part = np.log(weight) + log_law_p
        return np.exp(log_part - np.logaddexp(np.log1p(-weight) + log_law_s, log_part))


def frontier(log_s: np.ndarray, log_p: np.ndarray, weight: float) -> np.ndarray:
    """q_λ = (S + λ P) / (1+λ), the minimiser of KL(S‖q) + λ KL(P‖q), λ >= 0."""
    return replay(log_s, log_p, _odds("frontier", weight))


def regret(log_s: np.ndarray, log_p: np.ndarray, log_q: np.ndarray, weight: float) -> float:
    """Excess of KL(S‖q) + λ KL(P‖q) over its minimum [nat]: (1+λ) KL(q_λ‖q). q may be sub-stochastic.

    It is +inf if q misses a string of S, or a string of P for λ > 0.
    """
    log_best = frontier(log_s, log_p, weight)
    inside = log_best > -np.inf
    ratio = np.where(inside, np.where(inside, log_best, 0.0) - np.where(inside, log_q, 0.0), 0.0)
    return (1.0 + weight) * expectation(log_best, ratio)


def _odds(name: str, strength: float) -> float:
    if not 0.0 <= strength < np.inf:
        raise ValueError(f"{name}: a finite strength >= 0 is required, found {strength!r}")
    return strength / (1.0 + strength)
