"""The transformer with rotary positions: its formulas in float64, that differences of positions count, its cache."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.languages.trie import Trie
from sim.models._cached import _anew, continued
from sim.models.rotary import Rotary, rotary, turned
from sim.training.trie_logits import trie_logits, trie_plan
from tests.unit.models.test_transformer import decoded
from tests.unit.models.tiny_worlds import random_language

SPOKEN = random_language(2, 40, 3, 6)
SHAPES = [
    {"width": 16, "depth": 2, "heads": 2},
    {"width": 8, "depth": 1, "heads": 1, "mlp_ratio": 1, "tied": True},
    {"width": 12, "depth": 3, "heads": 3, "mlp_ratio": 2},
]


def made(**shape: object) -> tuple[Rotary, dict]:
    """A model whose biases and scales are not at 0 and 1, where mistakes in them would not show."""
    model, dice = rotary(SPOKEN.trie, **shape), np.random.default_rng(0)
    params = jax.jit(model.init)(jax.random.key(0))
    return model, jax.tree.map(lambda leaf: leaf + 0.3 * dice.standard_normal(leaf.shape).astype(np.float32), params)


def rotation(position: int, size: int) -> np.ndarray:
    """The matrix that turns a head: complex numbers of unit length, one for every pair (i, i + size/2)."""
    half = size // 2
    unit = [np.exp(1j * position / 10_000 ** (2 * i / size)) for i in range(half)]
    found = np.zeros((size, size))
    for i, one in enumerate(unit):
        found[i, i] = found[i + half, i + half] = one.real
        found[i, i + half], found[i + half, i] = -one.imag, one.imag
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_the_formulas(shape: dict) -> None:
    model, params = made(**shape)
    score, size = jax.jit(model.logits), shape["width"] // shape["heads"]
    for tokens in SPOKEN.trie.strings[::13]:
        expected = decoded(params, tokens.tolist(), shape["heads"], turn=lambda head, t: rotation(t, size) @ head)
        np.testing.assert_allclose(score(params, jnp.asarray(tokens)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_nodes_of_a_trie_have_the_logits_of_their_strings(shape: dict) -> None:
    model, params = made(**shape)
    nodes = np.asarray(trie_logits(model, params, trie_plan(SPOKEN.trie)))
    rows = np.asarray(jax.jit(model.logits)(params, jnp.asarray(SPOKEN.trie.strings)))
    known = SPOKEN.trie.node >= 0
    np.testing.assert_allclose(nodes[SPOKEN.trie.node[known]], rows[known], rtol=1e-4, atol=1e-5)


def test_only_the_difference_of_two_positions_counts() -> None:
    dice = np.random.default_rng(1)
    query, key = (jnp.asarray(dice.standard_normal((1, 2, 8)), jnp.float32) for _ in range(2))
    at = {t: [np.asarray(turned(part, jnp.array([t])), np.float64) for part in (query, key)] for t in range(60)}
    seen = {}
    for a, b in itertools.product((0, 3, 7), repeat=2):
        found = [float((at[a + far][0] * at[b + far][1]).sum()) for far in (0, 1, 20, 50)]
        np.testing.assert_allclose(found, found[0], rtol=1e-4)
        assert abs(seen.setdefault(a - b, found[0]) - found[0]) < 1e-4
    assert np.ptp(list(seen.values())) > 0.1, "and it does count"


def test_no_parameter_depends_on_the_length() -> None:
    short, long = (rotary(Trie(np.zeros((1, length), np.int32), 4), width=8) for length in (5, 50))
    one, other = (jax.tree.leaves(jax.jit(model.init)(jax.random.key(3))) for model in (short, long))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_a_cache_of_keys_and_values_changes_no_draw(shape: dict) -> None:
    model, params = made(**shape)
    rows = jnp.asarray(SPOKEN.trie.strings)
    known = jnp.arange(len(rows)) % (model.length + 1)
    found = np.asarray(continued(model, params, jax.random.key(4), rows, known))
    np.testing.assert_array_equal(found, np.asarray(_anew(model, params, jax.random.key(4), rows, known)))
    assert (found != np.asarray(rows)).any()


@pytest.mark.parametrize(("width", "heads"), [(16, 3), (6, 2), (8, 8)])
def test_heads_must_be_made_of_pairs(width: int, heads: int) -> None:
    with pytest.raises(ValueError, match=f"heads: .* of width {width} is required, .*, found {heads}"):
        rotary(SPOKEN.trie, width=width, heads=heads)
