"""NEFTune and dropout: the same losses by other parameters of an undisturbed model, string by string."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.languages.device import on_device
from sim.models._base import Bound
from sim.models.transformer import Transformer, transformer
from sim.objectives._context import Batch, Objective
from sim.objectives.dropout import Dropout
from sim.objectives.neftune import Neftune
from sim.objectives.sft import Sft
from sim.training.job import Job, context_of, loss
from sim.typing import Params, PRNGKey
from tests.unit.models.tiny_worlds import training
from tests.unit.objectives.test_enumerated import MODEL, P, S

WIDTH, KEY = 8, jax.random.key(3)
MADE = transformer(P.trie, width=WIDTH, depth=1, heads=2)
INIT = jax.jit(MADE.init)(jax.random.key(1))
BATCH = Batch(jnp.asarray(P.trie.strings[:4]), jnp.asarray([0.4, 0.3, 0.2, 0.1]))


def of(objective: Objective, model: Transformer = MADE) -> Job:
    return training(model, INIT, on_device(S), on_device(P), objective=objective, loss_on="document")


@jax.jit
def value(one: Job, params: Params, batch: Batch, key: PRNGKey) -> jax.Array:
    q = Bound(one.model, params, one.phase.data.prompt_end)
    return one.phase.objective(q, context_of(one), batch, key)


def alone(objective: Objective, params: Params, row: int) -> float:
    """The loss of one string, without its weight."""
    one = Batch(BATCH.tokens[row][None], jnp.ones(1))
    return float(value(of(objective), params, one, KEY))


@pytest.mark.parametrize("targets", ["exact", pytest.param("sampled", marks=pytest.mark.slow)])
def test_noise_on_embeddings_is_noise_on_the_positions_of_every_string(targets):
    """Embeddings of tokens and positions are added, so every string may have positions of its own instead."""
    alpha = 4.0
    noise = np.asarray(jax.random.uniform(KEY, (*BATCH.tokens.shape, WIDTH), jnp.float32, -1.0, 1.0))
    expected, usual = 0.0, 0.0
    for row, weight in enumerate(np.asarray(BATCH.weight)):
        radius = alpha / np.sqrt(P.trie.lengths[row] * WIDTH)
        shifted = INIT | {"position": INIT["position"] + radius * noise[row]}
        expected += weight * alone(Sft(targets), shifted, row)
        usual += weight * alone(Sft(targets), INIT, row)
    found = float(value(of(Neftune(alpha, targets)), INIT, BATCH, KEY))
    assert found == pytest.approx(expected, rel=1e-5)
    assert abs(found - usual) > 1e-3 * abs(usual)


@pytest.mark.slow
def test_dropped_coordinates_are_columns_of_matrices(monkeypatch):
    """If all tokens have one mask, dropout is a product of the matrices with it. Each place has a mask of its own."""
    rate, seen = 0.25, []

    def bernoulli(key: PRNGKey, p: float, shape: tuple[int, ...]) -> jax.Array:
        mask = np.random.default_rng(len(seen)).random(WIDTH) < 0.75
        seen.append((mask, shape, key))
        return jnp.broadcast_to(mask, shape)

    monkeypatch.setattr(jax.random, "bernoulli", bernoulli)
    q = Bound(MADE, INIT, P.vocabulary.prompt_end)
    found = float(Dropout(rate)(q, context_of(of(Sft())), BATCH, KEY))
    (first, _, _), (attention, _, _), (mlp, _, _) = seen
    assert [shape[-1] for _, shape, _ in seen] == [WIDTH] * 3
    assert len({jax.random.key_data(key).tobytes() for _, _, key in seen}) == 3
    by = [mask / (1 - rate) for mask in (first, attention, mlp)]
    block = INIT["blocks"][0]
    changed = {
        "out": {"kernel": block["out"]["kernel"] * by[1][None]},
        "down": {"kernel": block["down"]["kernel"] * by[2][:, None], "bias": block["down"]["bias"] * by[2]},
    }
    same = INIT | {
        "embed": {"embedding": INIT["embed"]["embedding"] * by[0][None]},
        "position": INIT["position"] * by[0][None],
        "blocks": {0: block | changed},
    }
    assert found == pytest.approx(float(value(of(Sft()), same, BATCH, KEY)), rel=1e-5)
    assert abs(found - float(value(of(Sft()), INIT, BATCH, KEY))) > 1e-3


@pytest.mark.slow
def test_masks_have_the_rate_and_differ_between_tokens(monkeypatch):
    drawn = []
    real = jax.random.bernoulli
    monkeypatch.setattr(jax.random, "bernoulli", lambda *given: drawn.append(real(*given)) or drawn[-1])
    q = Bound(MADE, INIT, P.vocabulary.prompt_end)
    for number in range(20):
        Dropout(0.25)(q, context_of(of(Sft())), BATCH, jax.random.key(number))
    kept = np.concatenate([np.asarray(mask).ravel() for mask in drawn])
    error = np.sqrt(0.25 * 0.75 / len(kept))
    assert abs(kept.mean() - 0.75) < 5.3 * error  # fails by chance once in 1e7 tests
    one = np.asarray(drawn[1])
    assert (one != one[:1]).any()


@pytest.mark.parametrize("objective", [Neftune(0.0), Dropout(0.0)], ids=["neftune", "dropout"])
def test_without_strength_it_is_sft(objective):
    gradient = jax.jit(jax.value_and_grad(value, argnums=1))
    plain, other = gradient(of(Sft()), INIT, BATCH, KEY), gradient(of(objective), INIT, BATCH, KEY)
    assert float(other[0]) == pytest.approx(float(plain[0]), rel=1e-6)
    for own, usual in zip(jax.tree.leaves(other[1]), jax.tree.leaves(plain[1]), strict=True):
        np.testing.assert_allclose(own, usual, atol=2e-6)


def test_the_model_itself_is_not_changed():
    def traced() -> np.ndarray:  # anew at every call, so that a change of the model would be seen
        return np.asarray(jax.jit(lambda params: MADE.logits(params, BATCH.tokens))(INIT))

    before = traced()
    value(of(Dropout(0.5)), INIT, BATCH, KEY)
    np.testing.assert_array_equal(before, traced())


@pytest.mark.parametrize("objective", [Neftune(), Dropout()], ids=["neftune", "dropout"])
def test_a_table_is_refused(objective):
    one = training(MODEL, MODEL.init(jax.random.key(0)), on_device(S), on_device(P), objective=objective)
    with pytest.raises(ValueError, match="a transformer is required for this objective, found TabularTrie"):
        loss(one, one.init, KEY)
