"""Laws of each model, optimiser and edit: a model never sees the token it predicts, an optimiser descends."""

import copy
import functools
from collections.abc import Callable
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct

from sim.config import configurable, construct, members, resolve
from sim.config.signatures import injected
from sim.edits._base import Weights
from sim.edits._siblings import Siblings
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


# -- edits ------------------------------------------------------------------------------------------------------------

BEFORE = {"bias": np.array([1.0, -2.0]), "kernel": np.array([[1.0, 2.0, 0.0], [0.5, -1.0, 3.0]])}
AFTER = {"bias": np.array([0.5, 2.0]), "kernel": np.array([[1.5, -2.0, 0.3], [0.0, 1.0, 1.0]])}


def arguments_of(constructor: Callable[..., Any]) -> dict[str, Any]:
    """Some value for every argument that has no default: 1, or 0.5 for a number, which is a share as well."""
    required = [one for one in configurable(constructor).values() if one.default is one.empty]
    types = {one.name: get_args(one.annotation)[0] if get_args(one.annotation) else one.annotation for one in required}
    return {name: {int: 1, float: 0.5, bool: True}[base] for name, base in types.items()}


SIBLINGS = Siblings(tuple({name: one + shift for name, one in AFTER.items()} for shift in (0.5, -2.0)))


def given_to(constructor: Callable[..., Any]) -> dict[str, Siblings]:
    """What the program gives to an edit that needs siblings."""
    return dict.fromkeys(injected(constructor), SIBLINGS)


def check_edit(change: Callable[..., Weights]) -> None:
    """The result has the shapes of the parameters and is finite; it depends on the key alone; inputs are left alone."""
    before, after = copy.deepcopy((BEFORE, AFTER))
    one, again = (change(before, after, jax.random.key(3)) for _ in range(2))
    assert jax.tree.structure(one) == jax.tree.structure(BEFORE)
    for name, start in BEFORE.items():
        assert one[name].shape == start.shape
        assert one[name].dtype == np.float64
        assert np.isfinite(one[name]).all()
        np.testing.assert_array_equal(one[name], again[name], err_msg="the same key gives the same bits")
        np.testing.assert_array_equal(before[name], start, err_msg="q0 is left alone")
        np.testing.assert_array_equal(after[name], AFTER[name], err_msg="the tuned model is left alone")


@pytest.mark.parametrize("kind", members("edit"))
def test_an_edit_makes_parameters(kind: str) -> None:
    constructor = resolve("edit", kind, "edit")
    assert "of" not in configurable(constructor), "this key of finetune.edits says which model is edited"
    check_edit(functools.partial(constructor, **arguments_of(constructor), **given_to(constructor)))


@pytest.mark.parametrize("kind", members("edit"))
def test_an_edit_that_says_that_it_makes_a_mean_makes_it(kind: str) -> None:
    constructor = resolve("edit", kind, "edit")
    weights_of = getattr(members("edit")[kind].load(), "mean_weights", None)
    for size in (1, 2, 3) if weights_of else ():
        arguments = {name: size if one == 1 else 0.25 for name, one in arguments_of(constructor).items()}
        weights = weights_of(**arguments)
        assert sum(weights) == pytest.approx(1.0, abs=1e-15)
        assert len(weights) <= 2 + len(SIBLINGS.params)
        found = constructor(BEFORE, AFTER, jax.random.key(3), **arguments, **given_to(constructor))
        for name in BEFORE:
            parts = zip(weights, (BEFORE, AFTER, *SIBLINGS.params), strict=False)
            expected = sum(weight * one[name] for weight, one in parts)
            np.testing.assert_allclose(found[name], expected, rtol=1e-15, atol=1e-15)


DICE = np.random.default_rng(0)

WRONG_EDITS: dict[str, Callable[..., Weights]] = {
    "other shapes": lambda before, after, key: {name: leaf.T for name, leaf in after.items()},
    "not all of them": lambda before, after, key: {"bias": after["bias"]},
    "nan": lambda before, after, key: {name: leaf / np.nan for name, leaf in after.items()},
    "in place": lambda before, after, key: {name: np.add(leaf, 1.0, out=leaf) for name, leaf in after.items()},
    "its own dice": lambda before, after, key: {name: DICE.standard_normal(one.shape) for name, one in after.items()},
}


@pytest.mark.parametrize("name", WRONG_EDITS)
def test_an_edit_that_does_something_else_is_found(name: str) -> None:
    check_edit(lambda before, after, key: before)
    with pytest.raises(AssertionError):
        check_edit(WRONG_EDITS[name])
