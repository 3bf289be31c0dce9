"""Predicted minimisers of the training objectives, as laws on a common list of strings.

Laws are log-probabilities [nat], float64[N], of whole documents. If there are prompts, mix the joint laws first and
then condition on the prompt: given the prompt, the mixture has another weight (see docs/laws.md).
"""

import numpy as np


def replay(log_s: np.ndarray, log_p: np.ndarray, weight: float) -> np.ndarray:
    """q* = (1-λ) S + λ P, the minimiser of cross-entropy on this mixture, 0 <= λ <= 1. Self-replay replaces P by q0."""
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"replay: 0 <= weight <= 1 is required, found {weight!r}")
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log1p(-weight) + log_s, np.log(weight) + log_p)


def replay_forgetting(log_mass: float | np.ndarray, weight: float | np.ndarray) -> np.ndarray:
    """KL(P‖q*) [nat] of replay for S = P_A: -P(B) log λ - P(A) log(λ + (1-λ)/P(A)). It is at most -log λ.

    `log_mass` is log P(A) [nat], and -inf is not allowed. Arrays broadcast; per prompt they are log P(A|x) and λ_x, the
    weight of P in the answers to x (see docs/laws.md). λ = 0 gives +inf unless P(B) = 0.
    """
    log_mass = np.asarray(log_mass, np.float64)
    kept, lost = np.exp(log_mass), -np.expm1(log_mass)
    with np.errstate(divide="ignore"):
        surprise = np.where(lost > 0.0, -np.log(weight), 0.0)
        return np.asarray(lost * surprise - kept * np.log(weight + (1.0 - np.asarray(weight)) / kept))
