"""Next-token quantities by position, from the chain rule on the trie. Position 0 is the first scored token.

`law` is the law of the prefixes: the truth P or S, or the model itself. For a model only supported prefixes count: mass
that has left the support is treated like strings that have ended. All results are exact and float64[T], where T is the
number of positions that occur.
"""

from collections.abc import Callable, Iterator

import numpy as np

from sim.metrics.divergence import log_ratio
from sim.metrics.scene import Cell, Evaluation, Metric
from sim.metrics.scored import Scored
from sim.quantity import Quantity


def node_weights(law: Scored, log_law: np.ndarray) -> np.ndarray:
    """P(x) law(node | x), with P(x) the prompt law: float64[M], 0 inside prompts."""
    inside = law.node_group >= 0
    return np.where(inside, np.exp(law.node_log_mass + log_law[law.node_group]), 0.0)


def live_by_position(law: Scored, log_law: np.ndarray) -> np.ndarray:
    """Probability that a string has neither ended nor left the support before position t."""
    return _by_position(law, node_weights(law, log_law))


def entropy_by_position(law: Scored, q: Scored, log_law: np.ndarray) -> np.ndarray:
    """H_t = E_law[H(q(. | x_<t))] over all V tokens [nat]. Strings that have ended contribute 0.

    If law = q is a truth, the sum over t is H(q) (chain rule). If it is a model, the sum is the lower end of H(q).
    """
    return _by_position(law, _product(node_weights(law, log_law), q.next_entropy))


def branching_factor_by_position(law: Scored, q: Scored, log_law: np.ndarray) -> np.ndarray:
    """e^(H_t), the effective number of next tokens at position t [tokens]; 1 if every string has ended."""
    return np.exp(entropy_by_position(law, q, log_law))


def top_one_by_position(law: Scored, q: Scored, log_law: np.ndarray) -> np.ndarray:
    """Mean probability of the likeliest next token over the prefixes that reach position t; 1 if none does."""
    live = live_by_position(law, log_law)
    total = _by_position(law, node_weights(law, log_law) * q.next_max)
    return np.where(live > 0.0, total / np.where(live > 0.0, live, 1.0), 1.0)


def kl_by_position(p: Scored, q: Scored, log_law: np.ndarray) -> np.ndarray:
    """E_p[KL(p(. | x_<t) ‖ q(. | x_<t))] [nat]. For a truth p the sum over t is KL(p‖q). +inf if q misses a token."""
    return _by_position(p, kl_by_node(p, q, log_law))


def off_by_position(q: Scored, log_law: np.ndarray) -> np.ndarray:
    """Mass that leaves the support at position t. The sum over t is E_x q(⊥|x)."""
    inside = q.node_group >= 0
    return _by_position(q, np.where(inside, np.exp(log_law[q.node_group]) * q.node_off, 0.0))


def kl_by_node(p: Scored, q: Scored, log_law: np.ndarray) -> np.ndarray:
    """P(x) p(node | x) KL(p(. | node) ‖ q(. | node)) [nat]: float64[M]. It is 0 at nodes that p does not visit."""
    terms = _product(np.exp(p.edge_log_q), log_ratio(p.edge_log_q, q.edge_log_q))
    at_node = np.bincount(p.trie.edge_node, terms, p.trie.num_nodes)
    return _product(node_weights(p, log_law), at_node)


def mean_by_position(law: Scored, values: np.ndarray, log_law: np.ndarray) -> np.ndarray:
    """Sum of P(x) law(node | x) times a value over the nodes at each position; the values are float64[M]."""
    return _by_position(law, _product(node_weights(law, log_law), values))


def _product(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Elementwise product with 0 * inf = 0."""
    return weights * np.where(weights > 0.0, values, 0.0)


def _by_position(law: Scored, values: np.ndarray) -> np.ndarray:
    inside = law.node_position >= 0
    return np.bincount(law.node_position[inside], values[inside])


def mean_top_one(law: Scored, q: Scored, log_law: np.ndarray) -> float:
    """Probability of the likeliest next token, averaged over all positions of the strings of a law."""
    live = live_by_position(law, log_law)
    return float(live @ top_one_by_position(law, q, log_law) / live.sum())


def by_position(
    of_prefixes: Callable[[Scored, Scored, np.ndarray], np.ndarray],
) -> Callable[[Evaluation], Iterator[Cell]]:
    """Return the rows of a quantity by position, over the prefixes of S.

    There are rows for the truths (P, P_A, S, q*), and for the model at the first and the last evaluation of a phase.
    """

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        world = evaluation.world
        if evaluation.at_end:
            for of, scored in evaluation.subjects.items():
                for position, value in enumerate(of_prefixes(world.s, scored, world.s_law)):
                    yield Cell(of, Quantity.of(float(value)), world.law_names[1], str(position))

    return measure


def _top_one(evaluation: Evaluation) -> Iterator[Cell]:
    world = evaluation.world
    if evaluation.at_end:
        for of, scored in evaluation.subjects.items():
            yield Cell(of, Quantity.of(mean_top_one(world.s, scored, world.s_law)), world.law_names[1])


def _live(evaluation: Evaluation) -> Iterator[Cell]:
    world = evaluation.world
    if evaluation.is_truth:
        for position, value in enumerate(live_by_position(world.s, world.s_law)):
            yield Cell("S", Quantity.of(float(value)), world.law_names[1], str(position))


METRICS = [
    Metric("live", "P(|x| > t)", "1", "probability that a string of S reaches position t (column at)", _live),
    Metric(
        "branching", "e^H_t", "tokens", "effective number of next tokens at position t, prefixes of S",
        by_position(branching_factor_by_position),
    ),
    Metric(
        "top_one_at", "max q_t", "1", "probability of the likeliest next token at position t, prefixes of S",
        by_position(top_one_by_position),
    ),
    Metric("top_one", "max q", "1", "its mean over the positions of strings of S", _top_one),
]  # fmt: skip
