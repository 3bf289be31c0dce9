"""How far two models agree, answer by answer: the probability that they say the same, and their overlap.

The models may come from different runs with one world. Mass off the support is bounded: two models may have it on the
same strings or on different ones. Each number is an average over a prompt law, float64[G] in logarithms.
"""

import numpy as np

from sim.metrics.scored import Scored, average
from sim.numerics import expectation
from sim.quantity import Quantity


def collision_between(one: Scored, other: Scored, log_law: np.ndarray) -> Quantity:
    """E_x sum_y q(y|x) r(y|x), the probability that an answer of each model to one prompt are equal.

    For r = q it is C(q). The strings off the support add between 0 and sqrt(sum_e q_e^2 sum_e r_e^2), by the inequality
    of Cauchy and Schwarz. For the squares of the strings behind an exit sum to at most the square of its mass. It is
    exact if one of the models has no such mass. Raises ValueError for models on different tries.
    """
    _check(one, other)
    on = expectation(one.log_q + other.log_q + one.log_weights(log_law), np.ones(len(one.log_q)))
    return Quantity(on, on + average(log_law, np.sqrt(one.exit_square * other.exit_square)))


def overlap(one: Scored, other: Scored, log_law: np.ndarray) -> Quantity:
    """E_x sum_y sqrt(q(y|x) r(y|x)), the Bhattacharyya coefficient; 1 for equal laws, 0 for disjoint ones.

    The strings off the support add between 0 and sqrt(q(⊥|x) r(⊥|x)). It is exact if one of them has no such mass.
    Raises ValueError for models on different tries.
    Source: A. Bhattacharyya, 1943, "On a measure of divergence between two statistical populations".
    """
    _check(one, other)
    on = expectation(0.5 * (one.log_q + other.log_q) + one.log_weights(log_law), np.ones(len(one.log_q)))
    return Quantity(on, on + average(log_law, np.sqrt(one.off * other.off)))


def _check(one: Scored, other: Scored) -> None:
    first, second = one.trie.strings, other.trie.strings
    if first is not second and not np.array_equal(first, second):
        raise ValueError(
            f"models: equal lists of strings are required, found different ones: {len(first)}, {len(second)}"
        )
