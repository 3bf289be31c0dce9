"""Strings drawn with a cache of keys and values are those that a model draws by computing every prefix anew."""

import jax
import numpy as np
import pytest

from sim.languages.trie import Trie
from sim.models._base import Bound, Model
from sim.models._cached import drawn
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
