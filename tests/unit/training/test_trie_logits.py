"""Scoring on the trie: prefix sharing, covering strings and plain scoring agree on tries of every shape."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.languages.trie import Trie
from sim.models.tabular_strings import tabular_strings
from sim.models.tabular_trie import tabular_trie
from sim.models.transformer import transformer
from sim.training.trie_logits import CHUNK, covering_logits, trie_logits, trie_plan
from tests.unit.models.tiny_worlds import language, random_language


def bushy() -> Trie:
    """More than one chunk of nodes on two of its levels."""
    dice = np.random.default_rng(0)
    strings = np.unique(dice.integers(1, 20, size=(700, 4)), axis=0).astype(np.int32)
    return Trie.of(np.pad(strings, ((0, 0), (0, 1))), 20)[0]


TRIES = {
    "one-string": language({"abcab": 1}).trie,
    "empty-string": language({"": 1, "a": 1}).trie,
    "chain": language({"a" * k: 1 for k in range(9)}).trie,
    "small": random_language(0, 15, 3, 4).trie,
    "deep": random_language(1, 60, 2, 9).trie,
    "bushy": bushy(),
}


def test_the_tries_are_of_different_shapes():
    sizes = np.bincount(TRIES["bushy"].depth)
    assert (sizes > CHUNK).sum() >= 2
    assert sizes.max() % CHUNK != 0
    assert max(np.bincount(TRIES["deep"].depth)) < CHUNK


def plain(model: object, params: object, trie: Trie) -> np.ndarray:
    """Logits at every node, read off every string that passes through it: float[M, V]."""
    with jax.default_matmul_precision("highest"):
        scores = np.asarray(jax.jit(model.logits)(params, jnp.asarray(trie.strings)))
    out = np.full((trie.num_nodes, trie.vocab_size), np.nan)
    out[trie.node[trie.node >= 0]] = scores[trie.node >= 0]
    return out


@pytest.mark.parametrize("name", ["one-string", "chain", "bushy"])
@pytest.mark.parametrize("shape", [{"width": 8, "depth": 2, "heads": 2, "tied": True}])
def test_prefix_sharing_is_plain_scoring(name, shape):
    trie = TRIES[name]
    model = transformer(trie, **shape)
    params, plan = jax.jit(model.init)(jax.random.key(1)), trie_plan(trie)
    expected = plain(model, params, trie)
    assert not np.isnan(expected).any()
    found = np.asarray(trie_logits(model, params, plan))
    assert found.shape == (trie.num_nodes, trie.vocab_size)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(jax.jit(covering_logits)(model, params, plan), expected, rtol=0, atol=1e-5)


def test_prefix_sharing_is_plain_scoring_to_rounding_in_double_precision():
    """What single precision leaves between the two is rounding: in float64 they agree to 1e-13."""
    trie = TRIES["deep"]
    model = transformer(trie, width=16, depth=2, heads=2)
    params = jax.jit(model.init)(jax.random.key(1))
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), params)
        found = np.asarray(trie_logits(model, wide, trie_plan(trie)))
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, plain(model, wide, trie), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["one-string", "empty-string", "bushy"])
@pytest.mark.parametrize("constructor", [tabular_strings, tabular_trie])
def test_covering_strings_are_plain_scoring(name, constructor):
    trie = TRIES[name]
    model = constructor(trie, scale=1.0)
    params = model.init(jax.random.key(1))
    assert not hasattr(model, "tree_logits")
    np.testing.assert_array_equal(trie_logits(model, params, trie_plan(trie)), plain(model, params, trie))


@pytest.mark.parametrize("name", TRIES)
def test_the_plan_covers_every_node_once_and_its_ancestors_are_its_path(name):
    trie = TRIES[name]
    plan = trie_plan(trie)
    token, depth = (np.asarray(leaf).reshape(-1) for leaf in (plan.tree.token, plan.tree.depth))
    ancestors = np.asarray(plan.tree.ancestors).reshape(-1, trie.length)
    assert len(token) == -(-trie.num_nodes // CHUNK) * CHUNK
    assert token[0] == trie.vocab_size  # BOS
    np.testing.assert_array_equal(token[1 : trie.num_nodes], trie.token[1:])
    np.testing.assert_array_equal(depth[: trie.num_nodes], trie.depth)
    for node in range(trie.num_nodes):
        path, at = [], node
        while at >= 0:
            path.append(at)
            at = trie.parent[at]
        expected = np.full(trie.length, -1)
        expected[: len(path)] = path[::-1]
        np.testing.assert_array_equal(ancestors[node], expected)


def test_logits_of_a_node_do_not_depend_on_what_is_beside_it():
    """The same prefix in a part of the trie: prefix sharing mixes no branches."""
    whole = random_language(1, 60, 2, 9)
    keep = whole.trie.strings[::3]
    part = Trie.of(keep, whole.trie.vocab_size)[0]
    model = transformer(whole.trie, width=16, depth=2, heads=2)
    params = jax.jit(model.init)(jax.random.key(1))
    every, some = (np.asarray(trie_logits(model, params, trie_plan(trie))) for trie in (whole.trie, part))
    node_of = {
        whole.trie.strings[whole.trie.first_string[n], : whole.trie.depth[n]].tobytes(): n for n in range(len(every))
    }
    for n, row in enumerate(some):
        prefix = part.strings[part.first_string[n], : part.depth[n]].tobytes()
        np.testing.assert_allclose(row, every[node_of[prefix]], rtol=0, atol=1e-5)
