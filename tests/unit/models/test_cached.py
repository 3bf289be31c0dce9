"""Strings drawn with a cache of keys and values are those that a model draws by computing every prefix anew."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.languages.trie import Trie
from sim.models._base import Bound, Model
from sim.models._cached import _anew, continued, drawn
from sim.models.tabular_ngram import tabular_ngram
from sim.models.transformer import transformer

SHAPE = Trie(np.zeros((1, 9), np.int32), 5)


@pytest.mark.parametrize("make", ["plain", "tied", "one head", "n-gram"])
def test_rows_are_those_of_the_slow_way(make: str) -> None:
    model: Model = {
        "plain": lambda: transformer(SHAPE, width=16, depth=2, heads=4),
        "tied": lambda: transformer(SHAPE, width=16, depth=1, heads=2, tied=True),
        "one head": lambda: transformer(SHAPE, width=8, depth=3, heads=1),
        "n-gram": lambda: tabular_ngram(SHAPE, order=2),
    }[make]()
    params = model.init(jax.random.key(1))
    key = jax.random.key(2)
    found = np.asarray(drawn(model, params, key, 64))
    assert found.dtype == np.int32
    assert np.array_equal(found, np.asarray(Bound(model, params).sample(key, (64,))))
    assert len(np.unique(found, axis=0)) > 10


@pytest.mark.parametrize("heads", [1, 4])
def test_known_tokens_stay_and_the_rest_is_drawn_behind_them(heads: int) -> None:
    """Equal bits with and without the cache, for rows with different numbers of known tokens."""
    model = transformer(SHAPE, width=16, depth=2, heads=heads)
    params = model.init(jax.random.key(1))
    rows = drawn(model, params, jax.random.key(3), 64)
    known = jnp.arange(64) % 10
    found = np.asarray(continued(model, params, jax.random.key(4), rows, known))
    assert np.array_equal(found, np.asarray(_anew(model, params, jax.random.key(4), rows, known)))
    kept = np.arange(9) < np.asarray(known)[:, None]
    assert np.array_equal(found[kept], np.asarray(rows)[kept])
    assert (found[::10] != np.asarray(rows)[::10]).any(), "other draws"
    ended = np.cumsum(found == 0, axis=1) > 0
    assert not found[ended].any(), "nothing follows an end"


@pytest.mark.parametrize("make", ["cached", "anew"])
def test_some_of_the_rows_get_the_tokens_that_they_get_among_all(make: str) -> None:
    model: Model = transformer(SHAPE, width=8, depth=1, heads=2) if make == "cached" else tabular_ngram(SHAPE, order=2)
    params = model.init(jax.random.key(1))
    rows = drawn(model, params, jax.random.key(3), 64)
    known, place = jnp.arange(64) % 10, jnp.array([60, 3, 3, 17, 0])
    every = continued(model, params, jax.random.key(4), rows, known)
    some = continued(model, params, jax.random.key(4), rows[place], known[place], place, number=64)
    assert np.array_equal(some, np.asarray(every)[np.asarray(place)])
