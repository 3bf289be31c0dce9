"""The tabular models and `Bound`: their laws, their gradients' reach, and samples that follow the exact law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from sim.languages.device import walk
from sim.models._base import Bound
from sim.models.tabular_strings import tabular_strings
from sim.models.tabular_trie import tabular_trie
from sim.numerics import log_softmax
from sim.training.node_record import node_record
from sim.training.trie_logits import trie_logits, trie_plan
from tests.unit.models.tiny_worlds import language, log_strings, mask, random_language, table64

FALSE_ALARM = 1e-6
"""Chance that a test of samples fails for a correct sampler; keys are fixed, so it fails always or never."""

WORLDS = [random_language(0, 12, 3, 4), random_language(1, 30, 2, 6), language({"ab": 1.0}), language({"": 1, "a": 2})]


@pytest.mark.parametrize("spoken", WORLDS)
def test_the_flat_table_is_one_softmax_over_strings(spoken):
    trie = spoken.trie
    model = tabular_strings(trie, scale=3.0)
    params = model.init(jax.random.key(4))
    assert params["logits"].shape == (trie.num_strings,)
    record = node_record(np.asarray(trie_logits(model, params, trie_plan(trie))), trie)
    np.testing.assert_array_equal(record["leak"], 0.0)
    expected = log_softmax(np.asarray(params["logits"], np.float64))
    np.testing.assert_allclose(log_strings(trie, record), expected, rtol=0, atol=5e-6)


def test_the_flat_table_carries_masses_far_apart():
    """A string of probability e^-80 beside one of e^-0: nothing overflows, and its own prefix is scored exactly."""
    spoken = language({"a": 1, "ba": 1, "bb": 1, "bab": 1})
    model = tabular_strings(spoken.trie)
    logits = np.array([0.0, -80.0, -85.0, -300.0])
    record = node_record(
        np.asarray(trie_logits(model, {"logits": jnp.asarray(logits, jnp.float32)}, trie_plan(spoken.trie))),
        spoken.trie,
    )
    np.testing.assert_allclose(log_strings(spoken.trie, record), log_softmax(logits), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("spoken", WORLDS)
def test_the_trie_table_is_one_row_per_prefix(spoken):
    trie = spoken.trie
    model = tabular_trie(trie, scale=2.0)
    params = model.init(jax.random.key(4))
    assert params["logits"].shape == (trie.num_nodes + 1, trie.vocab_size)
    np.testing.assert_array_equal(trie_logits(model, params, trie_plan(trie)), params["logits"][:-1])
    exact = Bound(model, {"logits": jnp.asarray(np.where(np.arange(trie.num_nodes + 1)[:, None] < trie.num_nodes,
                                                        table64(spoken), 0.0), jnp.float32)})  # fmt: skip
    record = node_record(np.asarray(trie_logits(model, exact.params, trie_plan(trie))), trie)
    np.testing.assert_allclose(log_strings(trie, record), spoken.log_p, rtol=0, atol=2e-6)


@pytest.mark.parametrize("spoken", WORLDS[:2])
def test_walk_finds_the_node_of_every_prefix(spoken):
    trie = spoken.trie
    found = np.asarray(walk(jnp.asarray(trie.next_node), jnp.asarray(trie.strings)))
    np.testing.assert_array_equal(np.where(trie.node >= 0, found, -1), trie.node)
    assert (found[trie.node < 0] == trie.num_nodes).all()


@pytest.mark.parametrize("constructor", [tabular_strings, tabular_trie])
def test_initialisation(constructor):
    trie = WORLDS[0].trie
    model = constructor(trie, scale=0.5)
    one, same, other = (model.init(jax.random.key(k))["logits"] for k in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(constructor(trie).init(jax.random.key(1))["logits"], 0.0)
    assert (model.length, model.vocab_size) == (trie.length, trie.vocab_size)


@pytest.mark.parametrize("constructor", [tabular_strings, tabular_trie])
def test_conditionals_are_never_nan_even_after_the_end_and_off_the_support(constructor):
    spoken = WORLDS[0]
    model = constructor(spoken.trie, scale=1.0)
    bound = Bound(model, model.init(jax.random.key(0)))
    off = jnp.flip(jnp.asarray(spoken.trie.strings), axis=1)
    for tokens in (jnp.asarray(spoken.trie.strings), off):
        found = np.asarray(bound.next_log_probs(tokens))
        assert not np.isnan(found).any()
        np.testing.assert_allclose(np.exp(found).sum(axis=-1), 1.0, rtol=1e-5)


def samples_of(bound: Bound, num_samples: int) -> np.ndarray:
    return np.asarray(jax.jit(lambda key: bound.sample(key, (num_samples,)))(jax.random.key(3)))


@pytest.mark.parametrize("constructor", [tabular_strings, tabular_trie])
def test_samples_of_a_bound_model_follow_its_exact_law(constructor):
    """Chi-square over the supported strings and "anything else", at a false-alarm rate of 1e-6."""
    spoken = language({"": 2, "a": 3, "ab": 5, "b": 2, "ba": 4, "bb": 1})
    trie = spoken.trie
    model = constructor(trie, scale=0.7)
    bound = Bound(model, model.init(jax.random.key(9)))
    record = node_record(np.asarray(trie_logits(model, bound.params, trie_plan(trie))), trie)
    law = np.exp(log_strings(trie, record))
    law = np.append(law, max(1.0 - law.sum(), 0.0))
    drawn = samples_of(bound, 60_000)
    assert drawn.shape == (60_000, trie.length)
    index = {row.tobytes(): i for i, row in enumerate(trie.strings)}
    counts = np.bincount([index.get(row.tobytes(), trie.num_strings) for row in drawn], minlength=len(law))
    if constructor is tabular_strings:
        assert counts[-1] == 0
        counts, law = counts[:-1], law[:-1] / law[:-1].sum()
    else:
        assert law[-1] > 0.1  # uniform rows leave the support often
    expected = law * counts.sum()
    assert expected.min() > 50
    assert np.sum((counts - expected) ** 2 / expected) < chi2.isf(FALSE_ALARM, len(law) - 1)
    wrong = expected * np.where(np.arange(len(law)) % 2, 1.05, 0.95)
    assert np.sum((counts - wrong) ** 2 / wrong) > chi2.isf(FALSE_ALARM, len(law) - 1)  # the test can fail


def test_samples_end_once_and_are_cut_at_the_horizon():
    spoken = language({"aaa": 1, "b": 1})
    model = tabular_trie(spoken.trie)
    never_stops = model.init(jax.random.key(0))["logits"].at[:, 0].set(-jnp.inf)
    cut = samples_of(Bound(model, {"logits": never_stops}), 50)
    assert (cut > 0).all()
    drawn = samples_of(Bound(model, model.init(jax.random.key(0))), 200)
    ended = np.cumsum(drawn == 0, axis=1) > 0
    np.testing.assert_array_equal(drawn[ended], 0)
    assert (drawn[:, -1] > 0).any()


def test_gradients_reach_only_the_rows_of_the_strings_scored():
    spoken = WORLDS[1]
    model = tabular_trie(spoken.trie, scale=1.0)
    params = model.init(jax.random.key(0))
    rows = mask(spoken, lambda text: text.startswith("a"))
    tokens = jnp.asarray(spoken.trie.strings[rows])

    def score(params):
        log_q = Bound(model, params).next_log_probs(tokens)
        return jnp.sum(jnp.where(spoken.trie.node[rows] >= 0, log_q[..., 1], 0.0))

    moved = np.asarray(jax.grad(score)(params)["logits"] != 0).any(axis=1)
    visited = np.zeros(spoken.trie.num_nodes + 1, bool)
    visited[np.unique(spoken.trie.node[rows][spoken.trie.node[rows] >= 0])] = True
    np.testing.assert_array_equal(moved, visited)
    assert 0 < visited.sum() < len(visited)
