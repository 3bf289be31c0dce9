"""Adapters against explicit factors: a numpy recursion, jax's own gradient, the best error of a rank, frozen bits."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sim.optimizers.adam import Adam
from sim.optimizers.sgd import Sgd
from sim.training.adapter import Adapted, Adapter, Factors, fresh, merged, pull
from sim.training.sharing import structure
from sim.training.simulation import Simulation, finetunings, pretraining
from tests.unit.training.test_simulation import a_run, recipe

DICE = np.array([7, 3], np.uint32)
ROWS, COLUMNS = 5, 4
START = {"w": jnp.asarray(np.random.default_rng(0).normal(size=(ROWS, COLUMNS)), jnp.float32), "b": jnp.arange(4.0)}
TARGET = np.random.default_rng(1).normal(size=(ROWS, COLUMNS))
BOTH = (("w", True),)


def slope(params: dict) -> dict:
    """The gradient of ½‖w - TARGET‖² + ½‖b‖²."""
    return {"w": params["w"] - jnp.asarray(TARGET, jnp.float32), "b": params["b"]}


def trained(rule: optax.GradientTransformation, steps: int, gradient=slope) -> dict:
    """The parameters after some steps, as a program."""

    def step(carry, _):
        params, state = carry
        updates, state = rule.update(gradient(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    return jax.jit(lambda: jax.lax.scan(step, (START, rule.init(START)), None, steps)[0][0])()


def adapted(rank: int | None, optimizer=None, alpha: float = 6.0) -> optax.GradientTransformation:
    chosen = Adam(learning_rate=0.1, weight_decay=0.05) if optimizer is None else optimizer
    return Adapted(chosen, Adapter(alpha, rank, BOTH), DICE).transformation(1000.0)


# -- the coordinates --------------------------------------------------------------------------------------------------


def test_the_gradient_of_the_factors_is_that_of_the_loss_as_a_function_of_them() -> None:
    dice = np.random.default_rng(2)
    factors = Factors(*(jnp.asarray(dice.normal(size=shape), jnp.float32) for shape in ((ROWS, 2), (2, COLUMNS))))

    def loss(factors: Factors) -> jax.Array:
        return jnp.sum(jnp.sin(merged(START["w"], factors, 1.5)))

    outer = jnp.cos(merged(START["w"], factors, 1.5))
    for found, wanted in zip(pull(outer, factors, 1.5), jax.grad(loss)(factors), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-5)


def test_steps_are_adams_on_the_factors() -> None:
    """A recursion in numpy and float64: Kingma and Ba's algorithm 1 with decoupled decay, on both factors."""
    rank, alpha, rate, decay = 2, 6.0, 0.1, 0.05
    state = adapted(rank).init(START)
    a, b = (np.asarray(one, np.float64) for one in state.factors["w"])
    base, moments = np.asarray(START["w"], np.float64), [np.zeros_like(one) for one in (a, b, a, b)]
    for t in range(1, 8):
        outer = base + alpha / rank * a @ b - TARGET
        for at, gradient in enumerate((alpha / rank * outer @ b.T, alpha / rank * a.T @ outer)):
            moments[at] = 0.9 * moments[at] + 0.1 * gradient
            moments[at + 2] = 0.999 * moments[at + 2] + 0.001 * gradient**2
        steps = [
            (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            for m, v in zip(moments[:2], moments[2:], strict=True)
        ]
        a, b = (one - rate * (step + decay * one) for one, step in zip((a, b), steps, strict=True))
    found = trained(adapted(rank), 7)["w"]
    np.testing.assert_allclose(found, base + alpha / rank * a @ b, rtol=1e-4, atol=1e-5)
    assert np.abs(np.asarray(found) - base).max() > 0.3


def test_a_large_rank_reaches_any_matrix_and_a_small_one_its_best_approximation() -> None:
    """Without decay; the best error of a rank is the sum of the other squared singular values (Eckart and Young)."""
    values = np.linalg.svd(TARGET - np.asarray(START["w"]), compute_uv=False)
    for rank in (1, 2, COLUMNS, COLUMNS + 3):
        plain = Adam(learning_rate=0.02, decay="cosine")
        found = np.asarray(trained(adapted(rank, plain, alpha=1.0 * rank), 1000)["w"], np.float64)
        assert np.sum((found - TARGET) ** 2) == pytest.approx(np.sum(values[rank:] ** 2), rel=1e-3, abs=1e-4), rank
        assert np.linalg.matrix_rank(found - np.asarray(START["w"]), tol=1e-4) == min(rank, COLUMNS)


def test_the_start_is_the_first_model_and_the_random_factor_is_on_the_side_of_the_input() -> None:
    for inputs_first, random in ((True, 0), (False, 1)):
        factors = fresh(jax.random.key(1), jnp.zeros((300, 200)), 40, inputs_first)
        size = (300, 200)[random]
        assert float(jnp.std(factors[random])) == pytest.approx(size**-0.5, rel=0.03)
        assert not np.asarray(factors[1 - random]).any()
        assert np.array_equal(
            merged(START["w"], fresh(jax.random.key(1), START["w"], 3, inputs_first), 8.0), START["w"]
        )
    still = trained(adapted(2), 5, lambda params: jax.tree.map(jnp.zeros_like, params))
    assert np.array_equal(still["w"], START["w"]), "without a gradient a decay of the random factor changes nothing"


def test_what_is_frozen_keeps_its_bits_and_what_is_chosen_moves_as_without_an_adapter() -> None:
    rule = Adam(learning_rate=0.1, weight_decay=0.05)
    chosen, everything = trained(adapted(None), 9), trained(rule.transformation(1000.0), 9)
    assert np.array_equal(chosen["b"], START["b"])
    assert not np.array_equal(everything["b"], START["b"]), "the decay would have moved it"
    assert np.array_equal(chosen["w"], everything["w"])
    assert np.array_equal(trained(adapted(2), 9)["b"], START["b"])


def test_norms_of_gradients_are_those_of_what_is_trained() -> None:
    clipped = Sgd(learning_rate=1.0, clip=0.5)
    found = trained(adapted(None, clipped), 1)
    assert np.linalg.norm(np.asarray(found["w"] - START["w"])) == pytest.approx(0.5, rel=1e-5)


def test_rank_is_structure_and_alpha_is_a_number() -> None:
    def of(alpha: float, rank: int | None) -> object:
        return structure(Adapted(Sgd(learning_rate=1.0), Adapter(alpha, rank, BOTH), DICE))

    assert of(1.0, 2) == of(4.0, 2)
    assert len({of(1.0, 2), of(1.0, 3), of(1.0, None)}) == 3


def test_alpha_scales_a_first_step_of_gradient_descent_by_its_square() -> None:
    """The change of the zero factor, and what it does to W, both have the factor alpha / r."""
    moved = [trained(adapted(2, Sgd(learning_rate=1e-3), alpha), 1)["w"] - START["w"] for alpha in (2.0, 6.0)]
    np.testing.assert_allclose(moved[1], 9.0 * np.asarray(moved[0]), rtol=1e-3, atol=1e-6)


# -- in a simulation --------------------------------------------------------------------------------------------------


def lora(rank: int | None, **chosen: object) -> Simulation:
    run = a_run(controls=("identity",))
    adapter = Adapter(4.0, rank, (("logits", True),))
    return dataclasses.replace(run, finetune=dataclasses.replace(recipe(), adapter=adapter), **chosen)


def test_a_control_has_the_random_factors_of_its_training_and_another_seed_has_others() -> None:
    run = lora(1)
    params = pretraining(run).job.init
    found = finetunings(run, params)
    dice = [np.asarray(one.job.phase.optimizer.dice) for one in found.values()]
    assert np.array_equal(*dice)
    other = finetunings(dataclasses.replace(run, seed=run.seed + 1), params)["sft"].job.phase.optimizer.dice
    assert not np.array_equal(dice[0], other)
