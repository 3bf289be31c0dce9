"""From logits to the record: float64 sums over legal and illegal tokens, and refusal of what is not a number."""

import math

import numpy as np
import pytest

from sim.metrics.scored import NODE_ARRAYS
from sim.training.node_record import node_record
from tests.unit.models.tiny_worlds import random_language

TRIE = random_language(4, 20, 3, 4).trie
LOGITS = np.random.default_rng(0).normal(scale=3.0, size=(TRIE.num_nodes, TRIE.vocab_size)).astype(np.float32)


def test_the_record_is_the_softmax_split_into_legal_and_illegal_tokens():
    record = node_record(LOGITS, TRIE)
    assert tuple(record) == ("edge_log_q", *NODE_ARRAYS), "what the metrics read"
    assert all(array.dtype == np.float64 for array in record.values())
    for node, row in enumerate(LOGITS.tolist()):
        total = math.fsum(math.exp(logit) for logit in row)
        q = [math.exp(logit) / total for logit in row]
        out = [q[a] for a in range(TRIE.vocab_size) if not TRIE.legal[node, a]]
        assert record["leak"][node] == pytest.approx(math.fsum(out), rel=1e-13)
        assert record["leak_plogp"][node] == pytest.approx(math.fsum(p * math.log(p) for p in out), rel=1e-12)
        assert record["leak_square"][node] == pytest.approx(math.fsum(p * p for p in out), rel=1e-13)
        assert record["leak_max"][node] == pytest.approx(max(out, default=0.0), rel=1e-13)
        for edge in np.flatnonzero(TRIE.edge_node == node):
            assert record["edge_log_q"][edge] == pytest.approx(math.log(q[TRIE.edge_token[edge]]), rel=1e-12)


def test_impossible_tokens_leak_nothing_and_are_never_nan():
    logits = np.where(TRIE.legal, LOGITS, -np.inf)
    record = node_record(logits, TRIE)
    for name in NODE_ARRAYS:
        np.testing.assert_array_equal(record[name], 0.0)
    assert np.isfinite(record["edge_log_q"]).all()
    logits[0, np.flatnonzero(TRIE.legal[0])[0]] = -np.inf
    assert (node_record(logits, TRIE)["edge_log_q"] == -np.inf).sum() == 1


def test_logits_far_apart_and_far_from_zero_do_not_overflow():
    record = node_record(LOGITS * 200 + 1e4, TRIE)
    assert all(not np.isnan(array).any() for array in record.values())
    np.testing.assert_allclose(node_record(LOGITS + 64, TRIE)["leak"], node_record(LOGITS, TRIE)["leak"], rtol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_a_number_is_refused(bad):
    logits = LOGITS.copy()
    logits[3, 1] = bad
    with pytest.raises(FloatingPointError, match="not finite"):
        node_record(logits, TRIE)


def test_a_row_without_any_possible_token_is_refused():
    logits = LOGITS.copy()
    logits[3] = -np.inf
    with pytest.raises(FloatingPointError, match="not finite"):
        node_record(logits, TRIE)


def test_blocks_of_nodes_change_no_bit(monkeypatch):
    whole = node_record(LOGITS, TRIE)
    monkeypatch.setattr("sim.training.node_record.BLOCK", 7)
    assert TRIE.num_nodes > 3 * 7
    for name, values in node_record(LOGITS, TRIE).items():
        np.testing.assert_array_equal(values, whole[name])
