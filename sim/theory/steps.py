"""One step of training on a table: how much it can forget at most, and when that depends on the loss.

A flat table is one softmax over N strings. Laws are log-probabilities [nat], float64[N]; log q is finite. The proofs
are in docs/theory.md, T25.
Source: this project, after the abstract of P. Prashant et al., 2026, "Fine-tuning without forgetting via loss-adaptive
learning rates" (arXiv 2605.20005), which says that a step forgets at most the rate times the root of the loss.
"""

import math

import numpy as np

from sim.numerics import expectation, log_softmax
from sim.theory.frontier import divergence


def gradient_step(log_s: np.ndarray, log_q: np.ndarray, rate: float) -> np.ndarray:
    """log q after one step of gradient descent on -E_S log q: logits move by rate (S - q). Float64[N].

    Raises ValueError unless the rate is finite and not negative.
    """
    _check(rate)
    return log_softmax(log_q + rate * (np.exp(log_s) - np.exp(log_q)))


def signed_step(log_s: np.ndarray, log_q: np.ndarray, rate: float) -> np.ndarray:
    """log q after a step of rate sign(S - q): the first step of Adam with a fresh state and eps = 0. Float64[N].

    Raises ValueError unless the rate is finite and not negative.
    """
    _check(rate)
    return log_softmax(log_q + rate * np.sign(np.exp(log_s) - np.exp(log_q)))


def step_bound(log_s: np.ndarray, log_q: np.ndarray, rate: float, steps: int = 1) -> float:
    """rate √(2 T KL(S‖q)) [nat]: no law of strings is forgotten by more in one step of gradient descent.

    T = `steps` is 1 for a flat table, and the largest number of tokens of a string for a trie table. Since KL(S‖q) is
    the training loss less H(S), the loss may stand in its place. Raises ValueError unless the rate is finite and not
    negative, and T at least 1.
    """
    _check(rate)
    if steps < 1:
        raise ValueError(f"steps: at least 1 step is required, found {steps!r}")
    return rate * math.sqrt(2.0 * steps * divergence(log_s, log_q))


def forgotten(log_p: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    """KL(P‖after) - KL(P‖before) [nat] = E_P[log before - log after]: what a step forgets of P."""
    return expectation(log_p, before - after)


def signed_limit(lost_mass: float, rate: float) -> float:
    """2 rate P(B) [nat]: what `signed_step` forgets of P for S = P_A, as the loss tends to 0; B is what S lacks.

    So it does not tend to 0 with the loss. Raises ValueError unless 0 <= P(B) <= 1 and the rate is finite and not
    negative.
    """
    _check(rate)
    if not 0.0 <= lost_mass <= 1.0:
        raise ValueError(f"steps: a probability P(B) from 0 to 1 is required, found {lost_mass!r}")
    return 2.0 * rate * lost_mass


def _check(rate: float) -> None:
    if not 0.0 <= rate < math.inf:
        raise ValueError(f"steps: a finite rate of at least 0 is required, found {rate!r}")
