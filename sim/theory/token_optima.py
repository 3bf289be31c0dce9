"""Predicted optima of objectives on tokens: what a table with a free law at every prefix is trained to.

Such a loss is a sum over the scored prefixes h that S visits. So each next-token law has an optimum of its own there,
q*(.|h), a function of S(.|h) and q0(.|h). A prefix that S never visits has no optimum and keeps q0(.|h). The optimum of
whole answers is the product over their tokens. Laws of tokens are float64[M, V], one row for each node of the trie; a
row sums to 1, and tokens that leave the list are part of it.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from sim.numerics import log_group_sum
from sim.theory import answer_optima
from sim.theory._levels import levelled
from sim.theory.laws import Laws

Rule: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray | None]
"""From S(.|h) and q0(.|h), float64[K, V], to q*(.|h); None if there is none. Tokens off the list have 0 in both."""


def of_answers(laws: Laws, rule: Rule, skipped: int = 0) -> np.ndarray | None:
    """log S(x) q*(y|x) [nat], float64[N], given that the answer is listed; None if the rule has none.

    The first `skipped` tokens of an answer are not scored, so q0 is kept there.
    """
    trie = laws.trie
    node_mass, edge_law = _next_law(laws, laws.log_s)
    _, start_law = _next_law(laws, laws.log_q0, laws.log_reach)
    edges, scored = (trie.edge_node, trie.edge_token), trie.edge[laws.scored(skipped)]
    trained = np.zeros(trie.num_edges, bool)
    trained[scored] = node_mass[trie.edge_node[scored]] > -np.inf
    tables = []
    for law in (edge_law, start_law):
        table = np.zeros((trie.num_nodes, trie.vocab_size))
        table[edges] = np.exp(law)
        tables.append(table)
    rows = np.unique(trie.edge_node[trained])
    found, best = rule(tables[0][rows], tables[1][rows]), np.zeros_like(tables[0])
    if found is None:
        return None
    best[rows] = found
    with np.errstate(divide="ignore"):
        own = np.where(trained, np.log(best[edges]), start_law)
    answers = np.where(laws.scored(), own[trie.edge], 0.0).sum(axis=1)
    total = log_group_sum(answers, laws.prompt, int(laws.prompt.max()) + 1)[laws.prompt]
    return laws.documents(np.where(answers > -np.inf, answers - np.where(total > -np.inf, total, 0.0), -np.inf))


def _next_law(laws: Laws, log_law: np.ndarray, reach: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The log-mass of every node [nat], float64[M], and the log-probability of every edge [nat], float64[E].

    `reach` is the mass of the nodes of a model that also writes what is not listed; None if the listed strings are all.
    Edges of a node with mass 0 have -inf.
    """
    trie = laws.trie
    alive = trie.node >= 0
    of_string = np.broadcast_to(log_law[:, None], alive.shape)[alive]
    node = log_group_sum(of_string, trie.node[alive], trie.num_nodes) if reach is None else reach
    edge = log_group_sum(of_string, trie.edge[alive], trie.num_edges)
    if reach is not None:
        inner = trie.edge_child >= 0
        edge[inner] = reach[trie.edge_child[inner]]
    above = node[trie.edge_node]
    return node, np.where(edge > -np.inf, edge - np.where(above > -np.inf, above, 0.0), -np.inf)


# -- rules ------------------------------------------------------------------------------------------------------------


def smoothed(s: np.ndarray, epsilon: float) -> np.ndarray:
    """(1 - epsilon) S(.|h) + epsilon/V: the optimum of label smoothing. Its part off the list is a leak."""
    return np.asarray((1.0 - epsilon) * s + epsilon / s.shape[1])


def powered(s: np.ndarray, beta: float) -> np.ndarray:
    """S(a|h)^beta, normalised at every prefix: the optimum of GEM with a linear h."""
    weight = np.where(s > 0, s, 1.0) ** beta * (s > 0)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def greedy(s: np.ndarray) -> np.ndarray | None:
    """A point mass on the likeliest token of every prefix; None if two are equally likely up to rounding."""
    top = s >= s.max(axis=1, keepdims=True) * (1.0 - 1e-9)
    return None if (top.sum(axis=1) > 1).any() else top.astype(np.float64)


def focal(s: np.ndarray, gamma: float) -> np.ndarray:
    """The minimiser of -sum_a S_a (1 - q_a)^gamma log q_a over laws q: S_a phi(q_a)/q_a is the same where S_a > 0.

    phi(q) = (1 - q)^gamma - gamma q (1 - q)^(gamma - 1) log q, for gamma >= 0.
    """
    if gamma == 0.0:
        return s
    return _by_row(lambda log_s, row: levelled(log_s, lambda log_q: _focal_slope(log_q, gamma), row), s)


def _focal_slope(log_q: np.ndarray, gamma: float) -> np.ndarray:
    """log(phi(q)/q) of the focal loss, for gamma > 0."""
    q, rest = np.exp(log_q), -np.expm1(log_q)
    return np.asarray((gamma - 1.0) * np.log(rest) + np.log(rest - gamma * q * log_q) - log_q)


def tempered_focal(s: np.ndarray, gamma: float, beta: float) -> np.ndarray:
    """Where the gradient of TOFU is 0 at every prefix: S_a phi(q_a)/q_a^(1/beta) is the same where S_a > 0.

    phi is that of `focal`. For 0 < beta <= 1 the law is the only one, because phi(q)/q falls in q.
    """
    if gamma == 0.0:
        return powered(s, beta)

    def log_slope(log_q: np.ndarray) -> np.ndarray:
        return _focal_slope(log_q, gamma) - (1.0 / beta - 1.0) * log_q

    return _by_row(lambda log_s, row: levelled(log_s, log_slope, row), s)


def reinforced(s: np.ndarray, eta: float) -> np.ndarray:
    """The minimiser of -eta sum_a S_a log q_a - (1 - eta) sum_a S_a q_a over laws q: eta S/(nu - (1 - eta) S).

    nu is that of the prefix, and follows from the normalisation. Raises ValueError unless 0 < eta <= 1.
    """
    if not 0.0 < eta <= 1.0:
        raise ValueError(f"reinforced: 0 < eta <= 1 is required, found {eta!r}")
    if eta == 1.0:
        return s

    def law(log_s: np.ndarray, row: np.ndarray) -> np.ndarray:
        return answer_optima.crossed(log_s, np.exp(log_s), eta, row)

    return _by_row(law, s)


def entropic(s: np.ndarray, tau: float) -> np.ndarray:
    """The minimiser of -E_S log q - tau H(q) at every prefix, over all V tokens, see `answer_optima.entropic`."""
    return _by_row(lambda log_s, row: answer_optima.entropic(log_s, tau, row), s)


def mixed(s: np.ndarray, q0: np.ndarray, beta: float) -> np.ndarray:
    """(S + beta q0)/(1 + beta), the optimum of -E_S log q + beta KL(q0‖q) at every prefix of S."""
    return np.asarray((s + beta * q0) / (1.0 + beta))


def _by_row(solve: Callable[[np.ndarray, np.ndarray], np.ndarray], s: np.ndarray) -> np.ndarray:
    """Solve for every row of S with a function of outcomes and of the numbers of their groups."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(solve(np.log(s).ravel(), np.repeat(np.arange(len(s)), s.shape[1]))).reshape(s.shape))
