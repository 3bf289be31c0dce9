"""What must not matter when a model is measured: chunks, company in a batch, padding, names and order of symbols."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary
from sim.metrics.divergence import hellinger, kl, total_variation
from sim.metrics.scored import TrieView, truth
from sim.models.transformer import Transformer, transformer
from sim.training import trie_logits as scoring
from sim.training.node_record import node_record
from tests.unit.models.tiny_worlds import random_language

SHAPE = {"width": 8, "depth": 2, "heads": 2}
WORLD = random_language(3, 40, 3, 5)


def initial(spoken: FiniteLanguage) -> tuple[Transformer, dict]:
    model = transformer(spoken.trie, **SHAPE)
    return model, jax.jit(model.init)(jax.random.key(0))


def divergences(spoken: FiniteLanguage, model: Transformer, params: dict) -> list[float]:
    """Of the model from the language, on whole strings and what is off the support as one atom."""
    logits = np.asarray(scoring.trie_logits(model, params, scoring.trie_plan(spoken.trie)))
    q = TrieView.of(spoken.trie, spoken.prompts, "joint").score(node_record(logits, spoken.trie))
    p = truth(spoken, spoken.prompts, "joint")
    merged = p.merged, q.merged
    return [kl(*merged), total_variation(*merged), hellinger(*merged), float(np.exp(q.log_q).sum())]


def listed(strings: np.ndarray, log_p: np.ndarray, symbols: tuple[str, ...]) -> FiniteLanguage:
    return FiniteLanguage.from_strings(Vocabulary(symbols, None, ""), strings, log_p)


@pytest.mark.parametrize("chunk", [1, 7, 32])
def test_the_size_of_a_chunk_changes_nothing(chunk, monkeypatch):
    model, params = initial(WORLD)
    expected = divergences(WORLD, model, params)
    monkeypatch.setattr(scoring, "CHUNK", chunk)
    assert scoring.trie_plan(WORLD.trie).tree.token.shape[1] == chunk
    np.testing.assert_allclose(divergences(WORLD, model, params), expected, rtol=1e-6)


def test_a_string_is_scored_the_same_in_any_batch():
    model, params = initial(WORLD)
    strings = jnp.asarray(WORLD.trie.strings)
    score = jax.jit(model.logits)
    whole = np.asarray(score(params, strings))
    for size in (1, 3, 16):
        np.testing.assert_allclose(score(params, strings[:size]), whole[:size], rtol=0, atol=2e-6)
    np.testing.assert_allclose(score(params, strings[::-1])[::-1], whole, rtol=0, atol=2e-6)


@pytest.mark.parametrize("more", [1, 6])
def test_padding_changes_nothing(more):
    """A longer horizon: the model gets rows for positions that no string reaches."""
    model, params = initial(WORLD)
    padded = listed(np.pad(WORLD.trie.strings, ((0, 0), (0, more))), WORLD.log_p, WORLD.vocabulary.symbols)
    longer, _ = initial(padded)
    assert longer.length == model.length + more
    rows = jnp.concatenate([params["position"], jnp.full((more, SHAPE["width"]), 9.0)])
    found = divergences(padded, longer, params | {"position": rows})
    np.testing.assert_allclose(found, divergences(WORLD, model, params), rtol=1e-6)


def test_names_and_order_of_symbols_change_nothing():
    """The vocabulary permuted, and with it the rows of the embedding and the columns of the read-out."""
    model, params = initial(WORLD)
    order = np.array([0, 3, 1, 2])  # new token -> old token
    new = np.argsort(order)
    dice = np.random.default_rng(0).permutation(len(WORLD.log_p))
    renamed = listed(new[WORLD.trie.strings][dice].astype(np.int32), WORLD.log_p[dice], ("<eos>", "x", "y", "z"))
    rows = np.append(order, 4)  # BOS stays last
    permuted = params | {
        "embed": {"embedding": params["embed"]["embedding"][rows]},
        "head": {"kernel": params["head"]["kernel"][:, order]},
    }
    np.testing.assert_allclose(divergences(renamed, model, permuted), divergences(WORLD, model, params), rtol=1e-6)
    assert abs(divergences(renamed, model, params)[0] - divergences(WORLD, model, params)[0]) > 1e-3
