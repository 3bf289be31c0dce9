"""How fast a tabular model loses what SFT leaves out: hard restriction, exact gradients. `t` counts updates.

`m_t = q_t(B)`. Source: spec/objectives.md, "Laws of support decay".
"""

import math
from collections.abc import Callable

import numpy as np


def flat_sgd_constant(num_kept: int, num_lost: int, weight: float = 1.0) -> float:
    """Limit of lr * t * m_t under SGD on one softmax over n_A kept and n_B lost strings: n_A n_B / (n_A + n_B) / w.

    `weight` is how much of the loss falls on this softmax: 1, or S(x) for the table of one prompt.
    Lost strings level out: each has m_t / n_B in the end. Why: lost logits fall at lr w m/n_B, and as gradients sum to
    0 the kept ones rise at lr w m/n_A, so d log m/dt = -lr w m (1/n_A + 1/n_B).
    Raises ValueError unless both numbers are positive.
    """
    if num_kept < 1 or num_lost < 1 or not weight > 0.0:
        raise ValueError(
            f"flat_sgd_constant: kept, lost >= 1 and weight > 0 are required, found {num_kept}, {num_lost}, {weight}"
        )
    return num_kept * num_lost / (num_kept + num_lost) / weight


def levelling_exponent(num_kept: int, num_lost: int) -> float:
    """Exponent a of the levelling under SGD: log-ratios between lost strings shrink as t^(-a), a = n_A / (n_A + n_B).

    Why: log q_y - log q_z changes at -lr (q_y - q_z) per update, with q about a / (lr t). It also sets how late the
    constant and the slope are reached: slowly where most is lost. Holds within a node of the trie table too.
    """
    return num_kept / (num_kept + num_lost)


def trie_sgd_constants(num_kept: np.ndarray, num_forbidden: np.ndarray, log_reach: np.ndarray) -> np.ndarray:
    """Limit of lr * t * (forbidden mass at a node, given the node) under SGD on a softmax per prefix: float64[H].

    H prefixes that S visits, each with int[H] kept and forbidden tokens (those of the softmax that S never takes
    there, including any that P never takes) and the log of its weight in the loss [nat]: S(node), divided by the
    number of tokens that the loss averages over, if it does. 0 at a node that forbids nothing. Forbidden tokens of a
    node level out, but one that starts at probability e only after t >> 1/(lr w e); below them nothing is trained.
    """
    kept, forbidden = np.asarray(num_kept, np.float64), np.asarray(num_forbidden, np.float64)
    return kept * forbidden / (kept + forbidden) * np.exp(-np.asarray(log_reach))


def trie_sgd_constant(num_kept: np.ndarray, num_forbidden: np.ndarray, scale: float = 1.0) -> float:
    """Limit of lr * t * q_t(not supp S) of the trie table: sum over S-visited nodes of k f / (k + f).

    The reach of a node cancels: it slows the node down and weighs it less. `scale` is the number of tokens that the
    loss averages over (1 if it sums over the string). With the softmax confined to P's tokens this is q_t(B).
    """
    return scale * float(np.sum(trie_sgd_constants(num_kept, num_forbidden, np.zeros(len(np.asarray(num_kept))))))


def forgetting_slope(log_mass: float) -> float:
    """Slope of KL(P‖q_t) against log t under SGD, flat and trie table: the forgotten mass P(B), from log P(A) [nat].

    The softmaxes must be those of documents of positive weight; per prompt it is E_x P(B|x).
    """
    return -math.expm1(log_mass)


def adam_rate(learning_rate: float, beta1: float, beta2: float, speed: float = 1.0) -> float:
    """Rate r per update at which lost mass decays, q_t(B) ~ e^(-r t), under Adam (eps = 0, t >> 1/(1-β2)).

    Solves r = c lr (1-β1)/(1-β1 e^r) sqrt((1-β2 e^(2r))/(1-β2)): the moments of a gradient that shrinks as e^(-r t).
    `speed` is c in [1, 2]: 1 if only lost logits move, 2 if kept logits move at full speed too.
    Domain: lr > 0 and 0 <= β1 <= β2 < 1. There the right side falls with r from c lr at r = 0 to 0 at
    e^(-2r) = β2, so the solution exists and is unique, 0 < r <= c lr and β1 e^r < 1, β2 e^(2r) < 1.
    Raises ValueError outside the domain.
    """
    if not (learning_rate > 0.0 and 0.0 <= beta1 <= beta2 < 1.0 and 1.0 <= speed <= 2.0):
        raise ValueError(
            "adam_rate: learning_rate > 0, 0 <= beta1 <= beta2 < 1 and 1 <= speed <= 2 are required, "
            f"found {learning_rate!r}, {beta1!r}, {beta2!r}, {speed!r}"
        )

    log_beta1 = math.log(beta1) if beta1 > 0.0 else -math.inf
    log_beta2 = math.log(beta2) if beta2 > 0.0 else -math.inf

    def excess(rate: float) -> float:
        room = max(-math.expm1(2.0 * rate + log_beta2), 0.0)  # expm1: near the root it is a difference of near equals
        step = (1.0 - beta1) / -math.expm1(rate + log_beta1) * math.sqrt(room / (1.0 - beta2))
        return speed * learning_rate * step - rate

    ceiling = -0.5 * log_beta2
    return _bisect(excess, min(speed * learning_rate, ceiling))


def adam_ceiling(beta2: float) -> float:
    """½ |log β2|, the rate [1/update] that `adam_rate` comes to as lr grows: lost mass never decays faster for long.

    Why: from there on the second moment shrinks more slowly than the squared gradient, and steps vanish. It bounds any
    model whose lost gradients shrink with the lost mass, however fast its logits move. Raises ValueError unless
    0 < β2 < 1.
    """
    if not 0.0 < beta2 < 1.0:
        raise ValueError(f"adam_ceiling: 0 < beta2 < 1 is required, found {beta2!r}")
    return -0.5 * math.log(beta2)


def natural_gradient_path(log_base: np.ndarray, log_s: np.ndarray, time: float) -> np.ndarray:
    """q_t = e^(-t) q0 + (1 - e^(-t)) S, the path of the natural gradient flow on -E_S log q: log [nat], float64[N]."""
    if not time >= 0.0:
        raise ValueError(f"natural_gradient_path: time >= 0 is required, found {time!r}")
    with np.errstate(divide="ignore"):
        return np.logaddexp(-time + log_base, np.log(-np.expm1(-time)) + log_s)


def _bisect(excess: Callable[[float], float], upper: float) -> float:
    """Root of a falling function in (0, upper], to the last bit."""
    lower = 0.0
    while True:
        middle = 0.5 * (lower + upper)
        if middle in (lower, upper):
            return upper
        if excess(middle) > 0.0:
            lower = middle
        else:
            upper = middle
