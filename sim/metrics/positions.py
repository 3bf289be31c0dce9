"""Next-token quantities by position, by the chain rule on the trie. Position 0 is the first scored token.

`law` says under whose prefixes: the truth P or S, or the model itself (its supported prefixes: mass that has left the
support is gone, as strings that have ended are). All are float64[T], T the number of positions that occur; exact.
"""

import numpy as np

from sim.metrics.divergence import log_ratio
from sim.metrics.scored import Scored


def node_weights(law: Scored, log_law: np.ndarray) -> np.ndarray:
    """P(x) law(node | x): float64[M], 0 inside prompts."""
    inside = law.node_group >= 0
    return np.where(inside, np.exp(law.node_log_mass + log_law[law.node_group]), 0.0)


def live_by_position(law: Scored, log_law: np.ndarray) -> np.ndarray:
    """Probability that a string has not ended (nor left the support) before position t."""
    return _by_position(law, node_weights(law, log_law))


def entropy_by_position(law: Scored, q: Scored, log_law: np.ndarray) -> np.ndarray:
    """H_t = E_law[H(q(. | x_<t))] over all V tokens [nat]; ended strings contribute 0.

    With law = q a truth the sum over t is H(q) (chain rule); with a model it is the lower end of H(q).
    """
    return _by_position(law, _product(node_weights(law, log_law), q.next_entropy))


def branching_factor_by_position(law: Scored, q: Scored, log_law: np.ndarray) -> np.ndarray:
    """e^(H_t), the effective number of next tokens at position t; 1 where every string has ended."""
    return np.exp(entropy_by_position(law, q, log_law))


def top_one_by_position(law: Scored, q: Scored, log_law: np.ndarray) -> np.ndarray:
    """Mean probability of the most likely next token over prefixes alive at t; 1 where none is."""
    live = live_by_position(law, log_law)
    total = _by_position(law, node_weights(law, log_law) * q.next_max)
    return np.where(live > 0.0, total / np.where(live > 0.0, live, 1.0), 1.0)


def kl_by_position(p: Scored, q: Scored, log_law: np.ndarray) -> np.ndarray:
    """E_p[KL(p(. | x_<t) ‖ q(. | x_<t))] [nat]; sums to KL(p‖q) for a truth p. +inf where q misses a token of p."""
    return _by_position(p, kl_by_node(p, q, log_law))


def off_by_position(q: Scored, log_law: np.ndarray) -> np.ndarray:
    """Mass that leaves the support at position t; sums to E_x q(⊥|x)."""
    inside = q.node_group >= 0
    return _by_position(q, np.where(inside, np.exp(log_law[q.node_group]) * q.node_off, 0.0))


def kl_by_node(p: Scored, q: Scored, log_law: np.ndarray) -> np.ndarray:
    """P(x) p(node | x) KL(p(. | node) ‖ q(. | node)) [nat]: float64[M]; 0 at nodes that p does not visit."""
    terms = _product(np.exp(p.edge_log_q), log_ratio(p.edge_log_q, q.edge_log_q))
    at_node = np.bincount(p.trie.edge_node, terms, p.trie.num_nodes)
    return _product(node_weights(p, log_law), at_node)


def mean_by_position(law: Scored, values: np.ndarray, log_law: np.ndarray) -> np.ndarray:
    """Sum over the nodes at a position of P(x) law(node | x) times a value, float64[M]."""
    return _by_position(law, _product(node_weights(law, log_law), values))


def _product(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Entrywise product with 0 * inf = 0."""
    return weights * np.where(weights > 0.0, values, 0.0)


def _by_position(law: Scored, values: np.ndarray) -> np.ndarray:
    inside = law.node_position >= 0
    return np.bincount(law.node_position[inside], values[inside])
