"""What a look records, weighted by the exact probabilities of all strings, is what a listed language has."""

import numpy as np
import pytest

from sim.unlisted.looks import BINS, edges, log_prob, log_softmax, look, path_entropy
from sim.unlisted.world import Seen, alive
from tests.unit.unlisted.small_laws import TINY, laws_of_a_model, listing, small


@pytest.mark.parametrize("length", [7, 9])
def test_sums_over_all_strings_are_the_divergence_and_the_entropy(length: int) -> None:
    own, world = listing(), small(length)
    rows = np.pad(own.trie.strings, ((0, 0), (0, length - own.trie.length)))
    p = np.exp(own.log_p)
    law = world.p.next_token(rows)
    log_q = laws_of_a_model(rows, world.vocab_size)
    found = look(log_q, law, rows)
    divergence = float(p @ (own.log_p - found["log_q"]))
    assert float(p @ found["kl_at"].sum(axis=1)) == pytest.approx(divergence, rel=1e-12)
    bins = np.add.reduceat(found["kl_each"].astype(np.float64), edges(length)[:-1], axis=1)
    assert found["kl_each"].shape == rows.shape
    assert bins == pytest.approx(found["kl_at"], rel=1e-6)
    assert float(p @ path_entropy(law, rows)) == pytest.approx(-float(p @ own.log_p), rel=1e-12)
    assert found["log_q"] == pytest.approx([_plain(one, laws) for one, laws in zip(rows, log_q, strict=True)])


def _plain(row: np.ndarray, laws: np.ndarray) -> float:
    total = 0.0
    for token, law in zip(row, laws, strict=True):
        total += law[token]
        if token == 0:
            break
    return total


def test_leaving_is_what_the_laws_of_p_leave_out() -> None:
    own, world = listing(), small()
    law, log_q = world.p.next_token(own.trie.strings), laws_of_a_model(own.trie.strings, world.vocab_size)
    found = look(log_q, law, own.trie.strings)
    row, laws = own.trie.strings[3], log_q[3]
    ends = int(np.argmax(row == 0)) + 1
    off = [sum(np.exp(laws[t][a]) for a in range(world.vocab_size) if law[3, t, a] == 0) for t in range(ends)]
    assert found["off_at"][3].sum() == pytest.approx(sum(off))
    assert found["stays"][3] == pytest.approx(sum(np.log1p(-one) for one in off))


def test_a_cut_string_is_a_prefix() -> None:
    """With a horizon of 3 tokens the rows are the prefixes, and their law sums to 1."""
    cut, own = Seen(small().p.law, 3), listing()
    rows = np.unique(own.trie.strings[:, :3], axis=0)
    for row in rows:
        beginning = (own.trie.strings[:, :3] == row).all(axis=1)
        assert np.exp(cut.log_prob(row[None]))[0] == pytest.approx(np.exp(own.log_p[beginning]).sum(), rel=1e-12)
    p = np.exp(cut.log_prob(rows))
    assert p.sum() == pytest.approx(1.0, rel=1e-12)
    law, log_q = cut.next_token(rows), laws_of_a_model(rows, len(TINY.vocabulary))
    found = look(log_q, law, rows)
    divergence = float(p @ (np.log(p) - log_prob(log_q, rows)))
    assert float(p @ found["kl_at"].sum(axis=1)) == pytest.approx(divergence, rel=1e-12)


def test_drawn_rows_have_one_length() -> None:
    for length in (3, 7, 12):
        rows = Seen(small().p.law, length).sample(np.random.default_rng(0), 20)
        assert rows.shape == (20, length)
        assert rows.dtype == np.int32
        assert (rows[:, 2] > 0).any()


@pytest.mark.parametrize(("length", "number"), [(1, 1), (5, 5), (16, 16), (70, BINS)])
def test_bins_of_depth_cover_all_positions(length: int, number: int) -> None:
    found = edges(length)
    assert (found[0], found[-1], len(found) - 1) == (0, length, number)
    assert (np.diff(found) > 0).all()


def test_a_token_counts_up_to_the_end() -> None:
    assert alive(np.array([[1, 2, 0, 0], [1, 2, 1, 2], [0, 0, 0, 0]])).sum(axis=1).tolist() == [3, 4, 1]


def test_logits_that_are_not_finite_are_no_law() -> None:
    assert np.exp(log_softmax(np.array([1e30, 0.0, -1e30]))).tolist() == [1.0, 0.0, 0.0]
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        log_softmax(np.array([0.0, np.nan]))
