"""The transformer: causality, BOS, shapes, sizes, initialisation, and what single precision costs."""

import functools
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.languages.device import on_device
from sim.models._base import Bound
from sim.models.transformer import Transformer, transformer
from sim.optimizers.adam import Adam
from sim.training.node_record import node_record
from sim.training.trie_logits import trie_logits, trie_plan
from tests.unit.models.tiny_worlds import kl, language, log_strings, random_language, trained, training

Turn: TypeAlias = Callable[[np.ndarray, int], np.ndarray]

SPOKEN = random_language(2, 40, 3, 6)
SHAPES = [
    {"width": 16, "depth": 2, "heads": 2},
    {"width": 8, "depth": 1, "heads": 1, "mlp_ratio": 1, "tied": True},
    {"width": 12, "depth": 3, "heads": 3, "mlp_ratio": 2},
]


@functools.cache
def made(**shape: object) -> tuple[Transformer, dict]:
    model = transformer(SPOKEN.trie, **shape)
    return model, jax.jit(model.init)(jax.random.key(0))


@functools.cache
def scorer(model: Transformer) -> Callable:
    """Its logits as one program for each shape of tokens; op by op there would be dozens."""
    return jax.jit(model.logits)


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_have_one_row_per_position_and_never_score_bos(shape):
    model, params = made(**shape)
    tokens = jnp.asarray(SPOKEN.trie.strings)
    score = scorer(model)
    logits = score(params, tokens)
    assert logits.shape == (*tokens.shape, SPOKEN.trie.vocab_size)
    assert (model.length, model.vocab_size) == (SPOKEN.trie.length, SPOKEN.trie.vocab_size)
    np.testing.assert_array_equal(score(params, tokens.reshape(2, -1, tokens.shape[1]))[1], logits[20:])
    np.testing.assert_allclose(np.exp(jax.nn.log_softmax(logits)).sum(axis=-1), 1.0, rtol=1e-5)


def decoded(params: dict, tokens: list[int], heads: int, turn: Turn = lambda head, _: head) -> np.ndarray:
    """Logits of one string by the formulas of Vaswani et al. 2017 in float64, position by position, head by head.

    turn: what is done to a head of a query or key at its position. Without learned positions, nothing is added.
    """
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    table = params["embed"]["embedding"]

    def norm(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return scale * (x - x.mean()) / np.sqrt(((x - x.mean()) ** 2).mean() + 1e-6)

    def gelu(x: np.ndarray) -> np.ndarray:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    places = params.get("position", np.zeros((len(tokens), table.shape[1])))
    rows = [table[token] + places[t] for t, token in enumerate([len(table) - 1, *tokens[:-1]])]
    for _, block in sorted(params["blocks"].items()):
        thirds = [np.split(norm(x, block["attention_norm"]["scale"]) @ block["qkv"]["kernel"], 3) for x in rows]
        mixed = []
        for t in range(len(rows)):
            heard = []
            for head in range(heads):
                q, *_ = (np.split(part, heads)[head] for part in thirds[t])
                earlier = [[np.split(part, heads)[head] for part in thirds[s]] for s in range(t + 1)]
                q, keys = turn(q, t), [turn(k, s) for s, (_, k, _) in enumerate(earlier)]
                weights = np.exp([q @ k / np.sqrt(len(q)) for k in keys])
                heard.append(sum(w * v for w, (_, _, v) in zip(weights / weights.sum(), earlier, strict=True)))
            mixed.append(np.concatenate(heard))
        rows = [x + m @ block["out"]["kernel"] for x, m in zip(rows, mixed, strict=True)]
        up, down = block["up"], block["down"]
        hidden = [gelu(norm(x, block["hidden_norm"]["scale"]) @ up["kernel"] + up["bias"]) for x in rows]
        rows = [x + down["kernel"] @ h + down["bias"] for x, h in zip(rows, hidden, strict=True)]
    out = params["head"]["kernel"] if "head" in params else table[:-1].T
    return np.array([norm(x, params["norm"]["scale"]) @ out for x in rows])


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_the_formulas(shape):
    model, params = made(**shape)
    dice = np.random.default_rng(0)  # biases and scales start at 0 and 1, where mistakes in them would not show
    params = jax.tree.map(lambda leaf: leaf + 0.3 * dice.standard_normal(leaf.shape).astype(np.float32), params)
    for tokens in SPOKEN.trie.strings[::13]:
        expected = decoded(params, tokens.tolist(), shape["heads"])
        np.testing.assert_allclose(scorer(model)(params, jnp.asarray(tokens)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_token_is_not_seen_before_its_place_and_is_seen_after(shape):
    model, params = made(**shape)
    logits = scorer(model)
    tokens = SPOKEN.trie.strings[-1]
    before = np.asarray(logits(params, jnp.asarray(tokens)))
    for place in range(model.length):
        other = tokens.copy()
        other[place] = (other[place] + 1) % model.vocab_size
        after = np.asarray(logits(params, jnp.asarray(other)))
        np.testing.assert_array_equal(after[: place + 1], before[: place + 1])
        for later in range(place + 1, model.length):
            assert np.abs(after[later] - before[later]).max() > 1e-6


def test_the_first_position_is_predicted_from_bos_alone():
    model, params = made(**SHAPES[0])
    tokens = jnp.asarray(SPOKEN.trie.strings)
    logits = np.asarray(scorer(model)(params, tokens))
    np.testing.assert_array_equal(logits[:, 0], np.broadcast_to(logits[0, 0], logits[:, 0].shape))
    other = {**params, "embed": {"embedding": params["embed"]["embedding"].at[-1, 0].add(1.0)}}
    assert np.abs(np.asarray(scorer(model)(other, tokens)) - logits)[:, 0].max() > 1e-3


def test_bos_is_no_symbol_even_where_output_and_embedding_are_tied():
    model, params = made(**SHAPES[1])
    assert params["embed"]["embedding"].shape == (SPOKEN.trie.vocab_size + 1, 8)
    assert "head" not in params
    gradient = jax.jit(jax.grad(lambda p: model.logits(p, jnp.asarray(SPOKEN.trie.strings))[:, 0].sum()))(params)
    assert np.abs(gradient["embed"]["embedding"][-1]).max() > 0  # as an input it counts


def test_a_single_string_is_a_row_of_the_batch():
    model, params = made(**SHAPES[0])
    tokens = jnp.asarray(SPOKEN.trie.strings)
    single = np.stack([scorer(model)(params, row) for row in tokens[:5]])
    np.testing.assert_allclose(single, scorer(model)(params, tokens)[:5], rtol=0, atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_number_of_parameters(shape):
    model, params = made(**shape)
    V, L, D = model.vocab_size, model.length, shape["width"]
    hidden = shape.get("mlp_ratio", 4) * D
    layer = D + 3 * D * D + D * D + D + (D * hidden + hidden) + (hidden * D + D)
    expected = (V + 1) * D + L * D + shape["depth"] * layer + D + (0 if shape.get("tied") else D * V)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == expected
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(params))


def test_initialisation_is_a_function_of_the_key():
    model = transformer(SPOKEN.trie, **SHAPES[0])
    init = jax.jit(model.init)
    one, same, other = (jax.tree.leaves(init(jax.random.key(k))) for k in (1, 1, 2))
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    matrices = [leaf for leaf in one if leaf.ndim == 2]
    assert all(np.abs(leaf).max() > 0 for leaf in matrices)
    assert len({leaf.tobytes() for leaf in map(np.asarray, matrices)}) == len(matrices)  # no key is used twice


def test_fresh_models_are_near_uniform_and_use_their_prefix():
    model, params = made(**SHAPES[0])
    log_q = np.asarray(jax.jit(Bound(model, params).next_log_probs)(jnp.asarray(SPOKEN.trie.strings)))
    assert np.abs(log_q + np.log(model.vocab_size)).max() < 4
    assert np.ptp(log_q[:, 2], axis=0).max() > 0.01


def test_parameters_can_be_stacked_and_mapped():
    model = transformer(SPOKEN.trie, **SHAPES[0])
    keys = jax.random.split(jax.random.key(0), 3)
    tokens = jnp.asarray(SPOKEN.trie.strings[:4])
    stacked = jax.jit(jax.vmap(model.init))(keys)
    together = jax.jit(jax.vmap(model.logits, in_axes=(0, None)))(stacked, tokens)
    init = jax.jit(model.init)
    for row, key in zip(together, keys, strict=True):
        np.testing.assert_allclose(row, scorer(model)(init(key), tokens), rtol=0, atol=1e-5)


def test_width_must_be_divisible_by_heads():
    with pytest.raises(ValueError, match="heads: a divisor of width 16 is required, found 3"):
        transformer(SPOKEN.trie, width=16, heads=3)


def test_prompts_are_plain_tokens_of_the_model_and_known_to_its_language():
    prompted = language({"a|b": 3, "ab|": 1}, prompt_end="|")
    model = transformer(prompted.trie, **SHAPES[0])
    bound = Bound(model, {}, prompted.vocabulary.prompt_end)
    np.testing.assert_array_equal(bound.prompt_length(jnp.asarray(prompted.trie.strings)), [3, 2])
    np.testing.assert_array_equal(bound.replace(prompt_end=None).prompt_length(jnp.asarray(prompted.trie.strings)), 0)


def test_samples_of_a_transformer_are_strings():
    model, params = made(**SHAPES[0])
    drawn = np.asarray(jax.jit(lambda key: Bound(model, params).sample(key, (300,)))(jax.random.key(1)))
    assert drawn.shape == (300, model.length)
    ended = np.cumsum(drawn == 0, axis=1) > 0
    np.testing.assert_array_equal(drawn[ended], 0)
    assert set(np.unique(drawn)) == set(range(model.vocab_size))


def both_precisions(model: Transformer, params: dict) -> tuple[np.ndarray, np.ndarray]:
    """log q of every listed string from the same float32 parameters, computed in float32 and in float64."""
    trie, plan = SPOKEN.trie, trie_plan(SPOKEN.trie)
    single = log_strings(trie, node_record(np.asarray(trie_logits(model, params, plan)), trie))
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), params)
        logits = np.asarray(trie_logits(model, wide, plan))
    assert logits.dtype == np.float64
    return single, log_strings(trie, node_record(logits, trie))


def test_single_precision_far_from_the_law():
    """The floor of recorded numbers for a fresh model, KL(P‖q) = 7.6 nat: log q within 5e-6, KL within 1e-6 [nat]."""
    single, double = both_precisions(*made(**SHAPES[0]))
    assert 0 < np.abs(single - double).max() < 5e-6
    assert 0 < abs(kl(SPOKEN.log_p, single) - kl(SPOKEN.log_p, double)) < 1e-6


def test_single_precision_near_the_law():
    """The floor for a trained model: log q within 1e-5, KL(P‖q) within 1e-8 [nat]: errors of log q average out there,
    as the softmax is normalised in float64 and q is near P."""
    model, params = made(**SHAPES[0])
    data = on_device(SPOKEN)
    job = training(model, params, data, data, optimizer=Adam(learning_rate=1e-2, decay="cosine"), num_steps=600.0)
    single, double = both_precisions(model, trained(job, SPOKEN.trie, [600]).params)
    assert kl(SPOKEN.log_p, double) < 0.05
    assert 0 < np.abs(single - double).max() < 1e-5
    assert abs(kl(SPOKEN.log_p, single) - kl(SPOKEN.log_p, double)) < 1e-8
