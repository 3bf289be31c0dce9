"""The prefix trie against the set of all prefixes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.languages.trie import Trie
from tests.unit.languages.small_languages import Law, Symbols, plain_laws, table

V = 4


def prefixes(law: Law) -> list[Symbols]:
    """Every prefix at which a token is predicted, by length, then alphabetically."""
    return sorted({x[:t] for x in law for t in range(len(x) + 1)}, key=lambda prefix: (len(prefix), prefix))


def legal(law: Law) -> list[tuple[Symbols, int]]:
    """Every (prefix, next token), 0 where the string ends, in the order of the prefixes."""
    ended = [(*x, 0) for x in law]
    found = {(x[:t], x[t]) for x in ended for t in range(len(x))}
    return sorted(found, key=lambda edge: (len(edge[0]), edge))


@given(plain_laws(), st.randoms(use_true_random=False))
def test_against_the_set_of_prefixes(law: Law, shuffled: object) -> None:
    listed = list(law)
    shuffled.shuffle(listed)
    given_strings = table(dict.fromkeys(listed))
    trie, order = Trie.of(given_strings, V)
    ordered = sorted(law)
    np.testing.assert_array_equal(trie.strings, given_strings[order])
    assert [listed[row] for row in order] == ordered

    nodes, edges = prefixes(law), legal(law)
    assert (trie.num_strings, trie.num_nodes, trie.num_edges) == (len(law), len(nodes), len(edges))
    assert trie.length == max(map(len, law)) + 1
    for row, x in enumerate(ordered):
        ended = (*x, 0)
        after = [-1] * (trie.length - len(ended))
        assert trie.lengths[row] == len(ended)
        assert trie.node[row].tolist() == [nodes.index(x[:t]) for t in range(len(ended))] + after
        assert trie.edge[row].tolist() == [edges.index((x[:t], ended[t])) for t in range(len(ended))] + after


@given(plain_laws())
def test_nodes_edges_and_tables(law: Law) -> None:
    trie, _ = Trie.of(table(law), V)
    nodes, edges, ordered = prefixes(law), legal(law), sorted(law)
    where = {prefix: node for node, prefix in enumerate(nodes)}
    assert trie.depth.tolist() == [len(prefix) for prefix in nodes]
    assert trie.parent.tolist() == [-1] + [where[prefix[:-1]] for prefix in nodes[1:]]
    assert trie.token.tolist() == [-1] + [prefix[-1] for prefix in nodes[1:]]
    assert trie.first_string.tolist() == [
        next(row for row, x in enumerate(ordered) if x[: len(prefix)] == prefix) for prefix in nodes
    ]
    assert trie.edge_node.tolist() == [where[prefix] for prefix, _ in edges]
    assert trie.edge_token.tolist() == [token for _, token in edges]
    assert trie.edge_child.tolist() == [where[(*prefix, token)] if token else -1 for prefix, token in edges]
    dead = len(nodes)
    for node, prefix in enumerate(nodes):
        for token in range(V):
            assert trie.legal[node, token] == ((prefix, token) in edges)
            assert trie.next_node[node, token] == (where.get((*prefix, token), dead) if token else dead)
    assert (trie.next_node[dead] == dead).all(), "nothing leads back from off the trie"
    assert trie.next_node.shape == (dead + 1, V)
    assert trie.legal.shape == (dead, V)


@given(plain_laws(), st.integers(1, 4))
def test_padding_changes_nothing(law: Law, more: int) -> None:
    short, _ = Trie.of(table(law), V)
    long, _ = Trie.of(table(law, short.length + more), V)
    for name in ("parent", "token", "depth", "edge_node", "edge_token", "edge_child", "next_node", "legal", "lengths"):
        np.testing.assert_array_equal(getattr(short, name), getattr(long, name), err_msg=name)
    for name in ("node", "edge"):
        np.testing.assert_array_equal(getattr(short, name), getattr(long, name)[:, : short.length], err_msg=name)
        assert (getattr(long, name)[:, short.length :] == -1).all()


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        ([[2, 0], [1, 0]], "lexicographic order"),
        ([[1, 0], [2, 0], [1, 2]], "each must end in EOS"),
        ([[1, 0], [1, 0]], "duplicates"),
        ([[1, 0], [2, 0], [2, 0]], "duplicates"),
        ([[1, 2]], "each must end in EOS"),
        ([[1, 0, 2, 0]], "only EOS after its first one"),
        ([[0, 1, 0]], "only EOS after its first one"),
        ([[4, 0]], r"tokens must lie in 0\.\.3"),
        ([[-1, 0]], r"tokens must lie in 0\.\.3"),
        ([[]], r"int32\[N, L\] with N, L >= 1"),
        (np.zeros((0, 3), np.int32), r"int32\[N, L\] with N, L >= 1"),
        ([1, 0], r"int32\[N, L\] with N, L >= 1"),
        (np.array([[1, 0]], np.int64), r"found int64"),
    ],
)
def test_strings_that_are_refused(strings: object, message: str) -> None:
    wrong = strings if isinstance(strings, np.ndarray) else np.array(strings, np.int32)
    with pytest.raises(ValueError, match=message):
        Trie(wrong, V)


@pytest.mark.parametrize("token", [1.5, float("nan"), 2**32 + 1])
def test_tokens_are_not_rounded_into_the_vocabulary(token: float) -> None:
    with pytest.raises(ValueError, match="whole numbers that int32 can hold"):
        Trie.of(np.array([[token, 0]]), V)


def test_order_and_duplicates_are_seen_at_any_place() -> None:
    """Swapping any two neighbours, or repeating any string, is refused: at the ends as in the middle."""
    trie, _ = Trie.of(table(dict.fromkeys([(), (1,), (1, 1), (1, 2), (2,), (3, 1), (3, 3)])), V)
    for row in range(trie.num_strings - 1):
        swapped = trie.strings.copy()
        swapped[[row, row + 1]] = swapped[[row + 1, row]]
        with pytest.raises(ValueError, match="lexicographic order"):
            Trie(swapped, V)
        doubled = trie.strings.copy()
        doubled[row + 1] = doubled[row]
        with pytest.raises(ValueError, match=r"duplicates|lexicographic"):
            Trie(doubled, V)
