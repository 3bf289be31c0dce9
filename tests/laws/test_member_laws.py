"""Laws of each model and each optimiser in conf/: a model never sees the token it predicts, an optimiser descends."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct

from sim.config import construct
from sim.languages.trie import Trie
from sim.models._base import Model
from sim.optimizers._base import Optimizer
from sim.running.build import settings
from sim.training.trie_logits import trie_logits, trie_plan
from sim.typing import NextLogProbs, Number, Params, PRNGKey, Tokens
from tests.composed import compose, options
from tests.unit.models.tiny_worlds import random_language

TRIE = random_language(3, 12, 2, 4).trie
TOLERANCE = 1e-4
"""Largest difference between two logits that are equal but for rounding [nat]; those compared here are of order 1."""


def made(group: str, option: str, *injected: object) -> Any:
    return construct(group, settings(compose(f"{group}={option}"))[group], group, *injected)


def shaken(model: Model) -> Params:
    """Random parameters. At the initial ones, which may be 0, a model can be blind to what it must not see."""
    params = jax.jit(model.init)(jax.random.key(0))
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noise = [jax.random.normal(key, leaf.shape, leaf.dtype) for key, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, [leaf + 0.5 * one for leaf, one in zip(leaves, noise, strict=True)])


@functools.cache
def subject(option: str) -> tuple[Model, Params]:
    """A model for the strings of the tiny world, with random parameters."""
    model = made("model", option, TRIE)
    return model, shaken(model)


# -- models -----------------------------------------------------------------------------------------------------------


def check_causal(model: Model, params: Params, trie: Trie) -> None:
    """The logits at position t do not depend on the tokens at positions >= t.

    For one t after another, the strings are cut before t and go on as other strings do; all are scored at once.
    """
    strings = np.asarray(trie.strings, np.int32)
    others = np.random.default_rng(0).permuted(strings, axis=0)
    cut = [np.concatenate([strings[:, :t], others[:, t:]], axis=1) for t in range(trie.length)]
    assert all((cut[t][:, t] != strings[:, t]).any() for t in range(trie.length - 1))
    usual, *changed = np.asarray(jax.jit(model.logits)(params, jnp.asarray(np.stack([strings, *cut]))))
    assert usual.shape == (*strings.shape, trie.vocab_size)
    for t, found in enumerate(changed):
        np.testing.assert_allclose(
            found[:, : t + 1], usual[:, : t + 1], rtol=0, atol=TOLERANCE,
            err_msg=f"the logits at positions <= {t} depend on tokens at positions >= {t}",
        )  # fmt: skip


@pytest.mark.parametrize("option", options("model"))
def test_a_model_does_not_see_the_token_that_it_predicts(option: str) -> None:
    check_causal(*subject(option), TRIE)


@pytest.mark.parametrize("option", options("model"))
def test_what_is_measured_is_what_is_trained(option: str) -> None:
    """Evaluations may take a shorter way to the logits, by a table or by shared prefixes; they are the same."""
    model, params = subject(option)
    assert (model.length, model.vocab_size) == (TRIE.length, TRIE.vocab_size)
    trained = np.asarray(jax.jit(model.logits)(params, jnp.asarray(TRIE.strings)))
    measured = np.asarray(trie_logits(model, params, trie_plan(TRIE)))
    assert measured.shape == (TRIE.num_nodes, TRIE.vocab_size)
    alive = TRIE.node >= 0
    normal = [jax.nn.log_softmax(one) for one in (trained[alive], measured[TRIE.node[alive]])]
    np.testing.assert_allclose(*normal, rtol=0, atol=TOLERANCE)


@struct.dataclass
class Cheat:
    """A table by position. To its logits it adds what it sees of the strings, with a weight that is 0 at first."""

    sees: Callable[[Tokens], Tokens] = struct.field(pytree_node=False)
    length: int = struct.field(pytree_node=False, default=TRIE.length)
    vocab_size: int = struct.field(pytree_node=False, default=TRIE.vocab_size)

    def init(self, key: PRNGKey) -> Params:
        return {"table": jnp.zeros((self.length, self.vocab_size)), "weight": jnp.zeros(())}

    def logits(self, params: Params, tokens: Tokens) -> NextLogProbs:
        seen = jax.nn.one_hot(self.sees(tokens), self.vocab_size)
        return jnp.broadcast_to(params["table"], seen.shape) + params["weight"] * seen


SEEN: dict[str, Callable[[Tokens], Tokens]] = {
    "its own token": lambda tokens: tokens,
    "the next token": lambda tokens: jnp.roll(tokens, -1, axis=-1),
    "how long the string is": lambda tokens: jnp.broadcast_to((tokens > 0).sum(-1, keepdims=True) % 3, tokens.shape),
}


@pytest.mark.parametrize("name", SEEN)
def test_a_model_that_cheats_is_found(name: str) -> None:
    model = Cheat(SEEN[name])
    with pytest.raises(AssertionError, match=r"the logits at positions <= \d depend on tokens at positions >= \d"):
        check_causal(model, shaken(model), TRIE)


def test_a_model_that_sees_earlier_tokens_alone_does_not_cheat() -> None:
    model = Cheat(lambda tokens: jnp.concatenate([0 * tokens[..., :1], tokens[..., :-1]], axis=-1))
    check_causal(model, shaken(model), TRIE)


# -- optimisers -------------------------------------------------------------------------------------------------------

NUM_STEPS = 100
CURVATURE = np.linspace(0.1, 1.0, 6)
CENTRE = np.array([1.0, -2.0, 0.5, 3.0, -1.0, 2.0])


def quadratic(params: Params) -> jax.Array:
    """½ Σ c (θ - centre)², over a vector and a matrix."""
    whole = jnp.concatenate([params["bias"], params["kernel"].reshape(-1)])
    return 0.5 * jnp.sum(jnp.asarray(CURVATURE) * (whole - jnp.asarray(CENTRE)) ** 2)


def check_descends(optimizer: Optimizer) -> None:
    """A training lowers the loss of a small quadratic, with curvatures from 0.1 to 1 and its minimum far away."""
    transformation = optax.with_extra_args_support(optimizer.transformation(float(NUM_STEPS)))

    @jax.jit
    def train(params: Params) -> tuple[Params, jax.Array]:
        def step(_: int, carry: tuple[Params, Any]) -> tuple[Params, Any]:
            params, state = carry
            value, gradient = jax.value_and_grad(quadratic)(params)
            change, state = transformation.update(gradient, state, params, value=value)
            return optax.apply_updates(params, change), state

        after = jax.lax.fori_loop(0, NUM_STEPS, step, (params, transformation.init(params)))[0]
        return after, quadratic(after)

    before = {"bias": jnp.zeros(2), "kernel": jnp.zeros((2, 2))}
    after, loss = train(before)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after))
    assert float(loss) < float(quadratic(before)), "the optimiser raises the loss"


@pytest.mark.parametrize("option", options("optimizer"))
def test_an_optimiser_lowers_the_loss(option: str) -> None:
    check_descends(made("optimizer", option))


@struct.dataclass
class Fixed:
    """Gradient descent with a rate that may have the wrong sign, be 0, or be far too large."""

    rate: Number

    def transformation(self, num_steps: Number) -> optax.GradientTransformation:
        return optax.scale(-self.rate)


@pytest.mark.parametrize("rate", [-0.01, 0.0, 3.0])
def test_an_optimiser_that_does_not_descend_is_found(rate: float) -> None:
    check_descends(Fixed(0.01))
    with pytest.raises(AssertionError):
        check_descends(Fixed(rate))
