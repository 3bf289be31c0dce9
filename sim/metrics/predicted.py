"""Rows of what theory predicts for tables under SGD with exact gradients: how fast they lose what S lacks.

docs/laws.md has the laws. They hold for a loss on what the view looks at, answers or whole documents.
"""

import math
from collections.abc import Iterator

import numpy as np

from sim.metrics.forgetting import log_event
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import average
from sim.quantity import Quantity
from sim.theory.decay import flat_sgd_constant, forgetting_slope, levelling_exponent, trie_sgd_constant

FLAT, TRIE = "tabular_strings", "tabular_trie"
"""The models that the laws are about."""


def strings_by_prompt(world: World) -> list[tuple[int, int]]:
    """How many listed strings S has and how many it lacks, of every prompt that it has with strings of both kinds."""
    has = world.s.log_q > -np.inf
    counts = (np.bincount(world.s.group, side, world.s.num_groups) for side in (has, ~has))
    trained = world.s_law > -np.inf
    return [(int(k), int(n)) for k, n, here in zip(*counts, trained, strict=True) if here and n]


def tokens_by_node(world: World) -> tuple[np.ndarray, np.ndarray]:
    """At every node that S visits, how many tokens S takes and how many it never takes: float64[H] both."""
    s, inside = world.s, world.s.node_group >= 0
    visited = inside & (s.node_log_mass > -np.inf) & (world.s_law[s.node_group] > -np.inf)
    kept = np.bincount(s.trie.edge_node, s.edge_log_q > -np.inf, s.trie.num_nodes)[visited]
    return kept, s.trie.vocab_size - kept


def _constants(evaluation: Evaluation) -> Iterator[Cell]:
    world = evaluation.world
    if evaluation.is_truth:
        law, strings = world.law_names[1], strings_by_prompt(world)
        flat = math.fsum(flat_sgd_constant(kept, lost) for kept, lost in strings)
        yield Cell("S", Quantity.of(flat), law, FLAT)
        yield Cell("S", Quantity.of(trie_sgd_constant(*tokens_by_node(world))), law, TRIE)


def _levelling(evaluation: Evaluation) -> Iterator[Cell]:
    if evaluation.is_truth and (strings := strings_by_prompt(evaluation.world)):
        slowest = min(levelling_exponent(kept, lost) for kept, lost in strings)
        yield Cell("S", Quantity.of(slowest), evaluation.world.law_names[1], FLAT)


def _slope(evaluation: Evaluation) -> Iterator[Cell]:
    world = evaluation.world
    if evaluation.is_truth:
        kept = log_event(world.p, world.s.log_q > -np.inf)
        slopes = [
            0.0 if law == -np.inf else forgetting_slope(float(min(mass, 0.0)))
            for mass, law in zip(kept, world.s_law, strict=True)
        ]
        yield Cell("S", Quantity.of(average(world.p_law, np.array(slopes))), world.law_names[0])


METRICS = [
    Metric(
        "decay_constant", "lim lr t q_t", "1", "limit of lr t q_t(∉ supp S) of a table (column at) under SGD",
        _constants,
    ),
    Metric("decay_slope", "dKL/d log t", "nat", "slope of KL(P‖q_t) against log t of the tables under SGD", _slope),
    Metric(
        "levelling", "a", "1", "shares of strings that S lacks level out as t^(−a) under SGD; of the slowest prompt",
        _levelling,
    ),
]  # fmt: skip
