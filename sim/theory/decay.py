"""How fast a tabular model loses the strings B that SFT leaves out, for a hard restriction and exact gradients.

`t` counts updates, and `m_t = q_t(B)` is the lost strings' mass. The laws and their tests: docs/laws.md.
"""

import math
from collections.abc import Callable

import numpy as np


def flat_sgd_constant(num_kept: int, num_lost: int, weight: float = 1.0) -> float:
    """Limit of lr * t * m_t under SGD on one softmax over n_A kept and n_B lost strings: n_A n_B / (n_A + n_B) / w.

    `weight` w is the weight of this softmax in the loss: 1, or S(x) for the table of one prompt. In the end every lost
    string has the same probability m_t / n_B. Reason: lost logits fall at the rate lr w m/n_B. Gradients sum to 0, so
    kept logits rise at the rate lr w m/n_A. Hence d log m/dt = -lr w m (1/n_A + 1/n_B).
    Raises ValueError unless both numbers and the weight are positive.
    """
    if num_kept < 1 or num_lost < 1 or not weight > 0.0:
        raise ValueError(
            f"flat_sgd_constant: kept, lost >= 1 and weight > 0 are required, found {num_kept}, {num_lost}, {weight}"
        )
    return num_kept * num_lost / (num_kept + num_lost) / weight


def levelling_exponent(num_kept: int, num_lost: int) -> float:
    """Exponent a = n_A / (n_A + n_B) under SGD: log-ratios between lost strings shrink as t^(-a).

    Reason: log q_y - log q_z changes by -lr (q_y - q_z) per update, with q about a / (lr t). The exponent also sets how
    fast the limit constant and the slope are reached: slowly if most strings are lost. It holds within a node of the
    trie table too.
    """
    return num_kept / (num_kept + num_lost)


def trie_sgd_constants(num_kept: np.ndarray, num_forbidden: np.ndarray, log_reach: np.ndarray) -> np.ndarray:
    """Limit of lr * t * (forbidden mass at a node, given the node) under SGD on a softmax per prefix: float64[H].

    The arguments are for the H prefixes that S visits. `num_kept` and `num_forbidden` are int[H]; a token is forbidden
    if S never takes it there, even if P never does either. `log_reach` is the log of the node's weight in the loss
    [nat]: S(node), divided by the number of tokens that the loss averages over, if it averages. The limit is 0 at a
    node that forbids nothing. The forbidden tokens of a node get equal probabilities in the end, but a token that
    starts at probability e does so only after t >> 1/(lr w e). Nodes below a forbidden token are not trained.
    """
    kept, forbidden = np.asarray(num_kept, np.float64), np.asarray(num_forbidden, np.float64)
    return kept * forbidden / (kept + forbidden) * np.exp(-np.asarray(log_reach))


def trie_sgd_constant(num_kept: np.ndarray, num_forbidden: np.ndarray, scale: float = 1.0) -> float:
    """Limit of lr * t * q_t(not supp S) for the trie table: the sum of k f / (k + f) over the nodes that S visits.

    The reach of a node cancels, because it both slows the node down and reduces its weight in the sum. `scale` is the
    number of tokens that the loss averages over (1 if it sums over the string). If the softmax is confined to P's
    tokens, q_t(not supp S) is q_t(B).
    """
    return scale * float(np.sum(trie_sgd_constants(num_kept, num_forbidden, np.zeros(len(np.asarray(num_kept))))))


def forgetting_slope(log_mass: float) -> float:
    """Slope of KL(P‖q_t) against log t under SGD: the forgotten mass P(B), computed from log P(A) [nat].

    It holds for the flat table and the trie table, if every softmax has a positive weight in the loss. Given the
    prompt, the slope is E_x P(B|x).
    """
    return -math.expm1(log_mass)


def adam_rate(learning_rate: float, beta1: float, beta2: float, speed: float = 1.0) -> float:
    """Rate r per update at which the lost mass decays, q_t(B) ~ e^(-r t), under Adam (eps = 0, t >> 1/(1-β2)).

    It solves r = c lr (1-β1)/(1-β1 e^r) sqrt((1-β2 e^(2r))/(1-β2)), from the moments of a gradient that shrinks as
    e^(-r t). `speed` is c in [1, 2]: 1 if only lost logits move, and 2 if kept logits move at full speed too. The
    domain is lr > 0 and 0 <= β1 <= β2 < 1. There the right side falls with r from c lr at r = 0 to 0 at e^(-2r) = β2.
    So the solution exists and is unique, with 0 < r <= c lr, β1 e^r < 1 and β2 e^(2r) < 1.
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
        room = max(-math.expm1(2.0 * rate + log_beta2), 0.0)  # expm1 avoids the cancellation near the root
        step = (1.0 - beta1) / -math.expm1(rate + log_beta1) * math.sqrt(room / (1.0 - beta2))
        return speed * learning_rate * step - rate

    ceiling = -0.5 * log_beta2
    return _bisect(excess, min(speed * learning_rate, ceiling))


def adam_ceiling(beta2: float) -> float:
    """ρ = ½ |log β2|, the limit of `adam_rate` [1/update] as lr grows, and the rate at which sqrt(v) forgets.

    No *constant* rate is higher: there, the second moment shrinks more slowly than the squared gradient, so steps
    vanish. This is no bound on the rate at a finite time. The lost mass falls as 1/(e^(ρ t) - 1) while v remembers the
    first gradients, which is faster than ρ at all times (`sim.theory.memory`).
    Raises ValueError unless 0 < β2 < 1.
    """
    if not 0.0 < beta2 < 1.0:
        raise ValueError(f"adam_ceiling: 0 < beta2 < 1 is required, found {beta2!r}")
    return -0.5 * math.log(beta2)


def _bisect(excess: Callable[[float], float], upper: float) -> float:
    """The root of a falling function in (0, upper], to the last bit."""
    lower = 0.0
    while True:
        middle = 0.5 * (lower + upper)
        if middle in (lower, upper):
            return upper
        if excess(middle) > 0.0:
            lower = middle
        else:
            upper = middle
