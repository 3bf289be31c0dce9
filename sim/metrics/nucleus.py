"""Nucleus size by position: the least number of next tokens that hold a given mass."""

from collections.abc import Iterator

import numpy as np

from sim.metrics.positions import live_by_position, mean_by_position, node_weights
from sim.metrics.scene import Cell, Evaluation, Metric
from sim.metrics.scored import Scored
from sim.quantity import Quantity

TIE = 1e-9
"""Absolute slack of `mass >= target`: a nucleus that misses the target only by rounding is large enough."""


def nucleus_by_position(
    law: Scored, q: Scored, log_law: np.ndarray, mass: float = 0.9
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the mean nucleus size of q(. | node) at each position [tokens]: two float64[T].

    The mean is over the prefixes of `law` that have not ended; it is 1 if there are none. The nucleus size is the least
    number of tokens that together have probability `mass`, 0 < mass < 1.
    Source: A. Holtzman et al., 2020, "The curious case of neural text degeneration".
    """
    live, reached = live_by_position(law, log_law), np.flatnonzero(node_weights(law, log_law) > 0.0)
    bounds = []
    for size in nucleus_of_nodes(q, mass, reached):
        total = mean_by_position(law, np.bincount(reached, size, law.trie.num_nodes), log_law)
        bounds.append(np.where(live > 0.0, total / np.where(live > 0.0, live, 1.0), 1.0))
    return bounds[0], bounds[1]


def nucleus_of_nodes(q: Scored, mass: float, nodes: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the nucleus size at some nodes, int[K], or at all [tokens]: two float64[K]. They are equal for a truth.

    The record holds the number of the illegal tokens at a node, their total and their largest probability. The sums of
    the k largest probabilities are greatest if the illegal mass is in as few tokens as possible: as many as can have
    the largest probability, and one with the rest. They are least if the mass is spread evenly over all tokens but the
    largest. Such laws exist, so both bounds can be attained. Raises ValueError unless 0 < mass < 1.
    """
    if not 0.0 < mass < 1.0:
        raise ValueError(f"nucleus: 0 < mass < 1 is required, found {mass!r}")
    trie = q.trie
    nodes = np.arange(trie.num_nodes) if nodes is None else nodes
    legal = trie.legal[nodes]
    rank, number = np.cumsum(~legal, axis=1) - 1, (~legal).sum(axis=1)[:, None]  # the rank among the illegal tokens
    probability, row = np.zeros(legal.shape), np.full(trie.num_nodes, -1)
    row[nodes] = np.arange(len(nodes))
    own = np.flatnonzero(row[trie.edge_node] >= 0)
    probability[row[trie.edge_node[own]], trie.edge_token[own]] = np.exp(q.edge_log_q[own])
    total, largest = q.leak[nodes, None], q.leak_max[nodes, None]
    if not total.any():
        size = _size(probability, mass)
        return size, size
    crowded = np.clip(total - rank * largest, 0.0, largest)
    spread = np.where(rank == 0, largest, (total - largest) / np.maximum(number - 1, 1))
    return _size(np.where(legal, probability, crowded), mass), _size(np.where(legal, probability, spread), mass)


def _size(probability: np.ndarray, mass: float) -> np.ndarray:
    held = np.cumsum(-np.sort(-probability, axis=1), axis=1)
    return np.asarray((held < mass - TIE).sum(axis=1) + 1.0)


def _nucleus(evaluation: Evaluation) -> Iterator[Cell]:
    world = evaluation.world
    if evaluation.at_end:
        for of, scored in evaluation.subjects.items():
            bounds = zip(*nucleus_by_position(world.s, scored, world.s_law), strict=True)
            for position, (lower, upper) in enumerate(bounds):
                yield Cell(of, Quantity(float(lower), float(upper)), world.law_names[1], str(position))


METRICS = [
    Metric(
        "nucleus", "90 % nucleus", "tokens", "tokens that hold 90 % at position t (column at), prefixes of S", _nucleus
    ),
]
