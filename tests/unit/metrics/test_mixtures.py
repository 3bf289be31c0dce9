"""The mean of flat tables is the geometric mixture per string, as an identity of parameters and laws."""

import jax.numpy as jnp
import numpy as np
import pytest

from sim.metrics.mixtures import arithmetic, geometric_by_string
from sim.metrics.scored import VIEWS, Scored, TrieView
from sim.models.tabular_strings import tabular_strings
from sim.training.node_record import node_record
from tests.unit.metrics.small_worlds import make_world

WEIGHTS = (0.25, 0.75)


@pytest.mark.parametrize("view", VIEWS)
def test_the_mean_of_flat_tables_is_the_geometric_mixture_per_string(view: str) -> None:
    p, dice = make_world(3).language, np.random.default_rng(3)
    model, trie_view = tabular_strings(p.trie), TrieView.of(p.trie, p.prompts, view)

    def scored(logits: np.ndarray) -> Scored:
        table = model.node_logits({"logits": jnp.asarray(logits, jnp.float32)})
        return trie_view.score(node_record(np.asarray(table)[: p.trie.num_nodes], p.trie))

    parts = dice.normal(size=(2, p.trie.num_strings))
    mixed = [(weight, scored(one)) for weight, one in zip(WEIGHTS, parts, strict=True)]
    lower, upper = geometric_by_string(mixed)
    itself = scored(np.average(parts, axis=0, weights=WEIGHTS)).log_q
    np.testing.assert_array_equal(lower, upper, err_msg="a flat table writes nothing else")
    np.testing.assert_allclose(upper, itself, atol=3e-6)
    assert np.abs(arithmetic(mixed)[0] - itself).max() > 0.01
