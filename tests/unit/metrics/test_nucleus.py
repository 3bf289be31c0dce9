"""Nucleus sizes against laws whose illegal probabilities are all known."""

from dataclasses import replace

import numpy as np
import pytest

from sim.metrics.nucleus import nucleus_by_position, nucleus_of_nodes
from sim.metrics.scored import score, truth
from sim.training.node_record import node_record
from tests.unit.models.tiny_worlds import language

P = language({"a|x": 3, "a|xy": 5, "a|y": 2, "b|x": 4, "b|yy": 2, "b|": 1}, prompt_end="|")


def sizes(probability: np.ndarray, mass: float) -> np.ndarray:
    """One after the other, the likeliest first."""
    found = []
    for row in probability:
        held, count = 0.0, 0
        for value in sorted(row, reverse=True):
            if held >= mass - 1e-9:
                break
            held, count = held + value, count + 1
        found.append(count)
    return np.array(found, float)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("mass", [0.5, 0.9, 0.99])
def test_the_true_size_lies_within_its_bounds(seed, mass):
    dice = np.random.default_rng(seed)
    logits = dice.normal(scale=dice.choice([0.3, 2.0, 5.0]), size=(P.trie.num_nodes, P.trie.vocab_size))
    logits = np.where(P.trie.legal, logits + dice.choice([0.0, 4.0, 9.0]), logits)
    q = score(P.trie, P.prompts, node_record(logits, P.trie), "joint")
    lower, upper = nucleus_of_nodes(q, mass)
    weights = np.exp(logits)
    true = sizes(weights / weights.sum(axis=1, keepdims=True), mass)
    assert (lower <= true).all()
    assert (true <= upper).all()


def test_both_bounds_are_met_by_some_law():
    """Three illegal tokens at the root, of mass 0.4 and at most 0.3: 0.3 and 0.1, or 0.3 and 0.05 twice."""
    root = P.trie.legal[0]
    assert (~root).sum() >= 3
    for parts, at in (((0.3, 0.1), 0), ((0.3, *[0.1 / ((~root).sum() - 1)] * ((~root).sum() - 1)), 1)):
        law = np.zeros((P.trie.num_nodes, P.trie.vocab_size))
        law[:, 0] = 1.0
        law[0, 0] = 0.0
        law[0, root] = 0.6 / root.sum()
        law[0, np.flatnonzero(~root)[: len(parts)]] = parts
        with np.errstate(divide="ignore"):
            q = score(P.trie, P.prompts, node_record(np.log(law), P.trie), "joint")
        assert q.leak[0] == pytest.approx(0.4)
        assert q.leak_max[0] == pytest.approx(0.3)
        assert nucleus_of_nodes(q, 0.96)[at][0] == sizes(law[:1], 0.96)[0]
    lower, upper = nucleus_of_nodes(q, 0.96)
    assert lower[0] < upper[0]


def test_of_a_truth_it_is_exact_and_averaged_over_prefixes():
    p = truth(P, P.prompts, "joint")
    lower, upper = nucleus_of_nodes(p, 0.9)
    np.testing.assert_array_equal(lower, upper)
    table = np.zeros((P.trie.num_nodes, P.trie.vocab_size))
    table[P.trie.edge_node, P.trie.edge_token] = np.exp(P.edge_log_prob)
    np.testing.assert_array_equal(lower, sizes(table, 0.9))
    mean = nucleus_by_position(p, p, np.zeros(1))
    np.testing.assert_array_equal(*mean)
    depth = P.trie.depth
    for position, value in enumerate(mean[0]):
        here = depth == position
        mass = np.exp(P.node_log_mass[here])
        assert value == pytest.approx(np.sum(mass * lower[here]) / mass.sum())


def test_a_nucleus_that_holds_the_mass_exactly_is_enough():
    even = language({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 1, "h": 1, "i": 1, "j": 1})
    assert nucleus_of_nodes(truth(even, even.prompts, "joint"), 0.9)[0][0] == 9.0


@pytest.mark.parametrize("mass", [0.0, 1.0, -0.5])
def test_a_mass_that_is_none_is_refused(mass):
    p = truth(P, P.prompts, "joint")
    with pytest.raises(ValueError, match="0 < mass < 1 is required"):
        nucleus_of_nodes(replace(p), mass)
