"""Predicted minimisers of the training objectives, as laws on a common list of strings.

Laws are log-probabilities [nat], float64[N], of whole documents. If there are prompts, mix the joint laws first and
then condition on the prompt: given the prompt, the mixture has another weight (see docs/laws.md).
"""

import math
from dataclasses import dataclass

import numpy as np

from sim.languages.automaton_ops import row_divergences
from sim.numerics import expectation, log_sum_exp


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


@dataclass(frozen=True, eq=False)
class Rewarded:
    """The maximiser q* of E_q[r] - beta KL(q||q0), and exact numbers about it."""

    log_q: np.ndarray  # log q* [nat], float64[N]
    log_normaliser: float  # log Z = log sum q0 e^(r / beta) [nat]
    kl: float  # KL(q*||q0) [nat]
    entropy: float  # H(q*) [nat]
    reward: float  # E_q*[r], in the unit of r
    objective: float  # the largest value of the objective, beta log Z, in the unit of r

    def mass(self, event: np.ndarray) -> float:
        """q*(A) of an event A, bool[N]."""
        return float(np.exp(log_sum_exp(np.where(event, self.log_q, -np.inf))))


def rewarded(log_q0: np.ndarray, reward: np.ndarray, beta: float) -> Rewarded:
    """q* = q0 e^(r / beta) / Z, the maximiser of E_q[r] - beta KL(q||q0) over all laws q on the list; beta > 0.

    This is the optimum of fine-tuning with a reward and a penalty of reverse KL. `reward` is float64[N], and -inf
    excludes a string. For r = 1 on an event A and 0 elsewhere, q*(A) = e^(1/beta) q0(A) / (q0(B) + e^(1/beta) q0(A)).
    If q0 has mass off the list, its other strings count as excluded. Raises ValueError unless beta is positive and
    finite, if a reward is nan or +inf, and if no string is left.
    Source: Ziegler et al. 2019, arXiv 1909.08593; Korbak, Perez & Buckley 2022, arXiv 2205.11275, for this optimum.
    """
    if not 0.0 < beta < math.inf:
        raise ValueError(f"rewarded: a finite beta above 0 is required, found {beta!r}")
    log_q0, reward = np.asarray(log_q0, np.float64), np.asarray(reward, np.float64)
    if reward.shape != log_q0.shape or np.isnan(reward).any() or (reward == np.inf).any():
        raise ValueError(f"rewarded: {log_q0.shape} finite rewards or -inf are required, found others")
    inside = (log_q0 > -np.inf) & (reward > -np.inf)
    if not inside.any():
        raise ValueError("rewarded: a string with q0 > 0 and a reward above -inf is required, found none")
    top = float(reward[inside].max())  # relative to it no exponent is positive, so nothing overflows
    above = np.where(inside, np.where(inside, reward, top) - top, -np.inf) / beta
    log_total = float(log_sum_exp(log_q0 + above))
    log_q = log_q0 + above - log_total
    log_listed = float(log_sum_exp(log_q0))
    kl = _kl(log_q, log_q0 - log_listed) - log_listed
    log_normaliser = log_total + top / beta
    return Rewarded(
        log_q, log_normaliser, kl, -expectation(log_q, log_q), expectation(log_q, reward), beta * log_normaliser
    )


def _kl(log_p: np.ndarray, log_q: np.ndarray) -> float:
    """KL(p||q) [nat] of two laws, as a sum of the terms p log(p / q) - p + q >= 0; q is positive where p is."""
    used = log_p > -np.inf
    u = np.where(used, np.where(used, log_q, 0.0) - np.where(used, log_p, 0.0), 0.0)
    near = used & (np.abs(u) <= 30.0)  # beyond, nothing cancels, but e^u could overflow
    far = np.exp(log_q[~near]) - np.exp(log_p[~near]) * (1.0 + u[~near])
    return float(row_divergences(log_p[near][None], log_q[near][None])[0]) + float(far.sum())


def rewarded_event(log_mass: float, gain: float) -> tuple[float, float]:
    """q*(A) and KL(q*||q0) [nat] if the reward is the same on all of A and 0 elsewhere, from log q0(A) alone.

    `gain` is the reward of A over beta, and may be negative. q* changes only the mass of A: the laws within A and
    within its complement B stay those of q0, so this is exact for languages that are not listed too. H(q*) follows as
    h(q*(A)) + q*(A) H(P_A) + q*(B) H(P_B), where h is the entropy of a coin. Raises ValueError unless log q0(A) <= 0
    and the gain is finite.
    """
    if not log_mass <= 0.0 or not math.isfinite(gain):
        raise ValueError(f"rewarded_event: log_mass <= 0 and a finite gain are required, found {log_mass!r}, {gain!r}")
    with np.errstate(divide="ignore"):
        log_q0 = np.array([log_mass, np.log(-np.expm1(log_mass))])
    found = rewarded(log_q0, np.array([gain, 0.0]), 1.0)
    return found.mass(np.array([True, False])), found.kl
