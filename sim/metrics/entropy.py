"""Entropy per string [nat]: exact for a truth, a certified interval for a model that leaves the support."""

from collections.abc import Iterator

import numpy as np

from sim.metrics.divergence import cross_entropy
from sim.metrics.scene import Cell, Evaluation, Metric
from sim.metrics.scored import Scored, average
from sim.quantity import Quantity


def entropy(log_p: np.ndarray, log_w: np.ndarray | None = None) -> float:
    """H(p) = E_w sum -p log p [nat], for float64[K] atoms and their log prompt law. Exact if all atoms are listed.

    For a sub-stochastic p this is the part of the entropy that the listed atoms contribute.
    """
    return cross_entropy(log_p, log_p, log_w)


def entropy_interval(q: Scored, log_law: np.ndarray) -> Quantity:
    """H(q) [nat] on the sample space of `sim.metrics.scored`, averaged over the prompt law float64[G].

    H = H_on + H_off with sum_e -q_e log q_e <= H_off <= sum_e q_e (-log q_e + log R_e). It is exact if q(⊥) = 0.
    """
    lower = exit_merged_entropy(q, log_law)
    return Quantity(lower, lower + average(log_law, q.exit_room))


def exit_merged_entropy(q: Scored, log_law: np.ndarray) -> float:
    """Entropy of the string up to its end or up to and including its first illegal token [nat]. Exact.

    It is the lower end of `entropy_interval`. By the chain rule it is the sum over nodes of q(node) H(q(. | node)).
    """
    return entropy(q.log_q, q.log_weights(log_law)) + average(log_law, q.exit_entropy)


def merged_entropy(q: Scored, log_law: np.ndarray) -> float:
    """Entropy of q, with everything off the support as one symbol ⊥ per prompt [nat]. Exact."""
    return entropy(q.merged, q.log_merged_weights(log_law))


def entropy_of(evaluation: Evaluation, of: str, law: str) -> Quantity:
    """H of a distribution of an evaluation under a prompt law, both given by name [nat]. It is computed once."""
    scored, log_law = evaluation.subjects[of], evaluation.world.laws[law]
    return evaluation.once(("entropy", of, law), lambda: entropy_interval(scored, log_law))


def _entropies(evaluation: Evaluation) -> Iterator[Cell]:
    for of, _, law, _ in evaluation.pairs():
        yield Cell(of, entropy_of(evaluation, of, law), law)


METRICS = [
    Metric("entropy", "H", "nat", "entropy of a string, or of an answer given its prompt", _entropies, "diversity"),
]
