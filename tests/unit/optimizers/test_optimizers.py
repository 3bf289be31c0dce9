"""Optimisers against optax on a quadratic, at eps = 0, and as traced leaves; schedules against their formulas."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sim.optimizers._schedules import scheduled_rate
from sim.optimizers.adam import Adam
from sim.optimizers.finch import Finch
from sim.optimizers.grafted import Grafted
from sim.optimizers.sgd import Sgd

DICE = np.random.default_rng(7)
FACTOR = DICE.normal(size=(6, 6))
CURVATURE = FACTOR @ FACTOR.T / 6 + 0.1 * np.eye(6)
CENTRE = DICE.normal(size=6)


def path(transformation: optax.GradientTransformation, num_steps: int, noise: float = 0.3) -> np.ndarray:
    """Parameters [steps, 6] on a quadratic with noisy gradients."""
    shake = jnp.asarray(noise * np.random.default_rng(1).normal(size=(num_steps, 6)))
    curvature, centre = jnp.asarray(CURVATURE), jnp.asarray(CENTRE)

    @jax.jit
    def step(params, state, disturbance):
        grads = {"w": curvature @ (params["w"] - centre) + disturbance}
        updates, state = transformation.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    params = {"w": jnp.ones(6)}
    state, out = transformation.init(params), []
    for t in range(num_steps):
        params, state = step(params, state, shake[t])
        out.append(np.asarray(params["w"]))
    return np.array(out)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(("b1", "b2", "eps"), [(0.9, 0.999, 1e-8), (0.0, 0.9, 1e-3), (0.95, 0.95, 1e-8)])
@pytest.mark.parametrize(("bits", "tolerance"), [(64, 1e-12), (32, 2e-5)])
def test_adam_is_optax_adamw(b1, b2, eps, weight_decay, bits, tolerance):
    with jax.enable_x64(bits == 64):
        ours = Adam(learning_rate=0.03, b1=b1, b2=b2, eps=eps, weight_decay=weight_decay).transformation(200.0)
        theirs = optax.adamw(0.03, b1=b1, b2=b2, eps=eps, weight_decay=weight_decay)
        found, expected = path(ours, 200), path(theirs, 200)
    assert found.dtype == (np.float64 if bits == 64 else np.float32)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    assert np.abs(found[-1] - found[0]).max() > 0.1


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_optax_sgd(momentum):
    ours = Sgd(learning_rate=0.05, momentum=momentum).transformation(200.0)
    np.testing.assert_allclose(path(ours, 200), path(optax.sgd(0.05, momentum), 200), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("decay", "theirs"),
    [
        (
            "linear",
            optax.join_schedules([optax.linear_schedule(0.01, 0.11, 10), optax.linear_schedule(0.1, 0.02, 90)], [9]),
        ),
        (
            "cosine",
            optax.join_schedules(
                [optax.linear_schedule(0.01, 0.11, 10), optax.cosine_decay_schedule(0.1, 90, 0.2)], [9]
            ),
        ),
    ],
)
def test_scheduled_sgd_is_optax_with_the_same_schedule(decay, theirs):
    # optax counts a join from the boundary; ours reaches its peak at step 9 and starts to fall after step 10
    ours = Sgd(learning_rate=0.1, warmup=10.0, decay=decay, final=0.2).transformation(100.0)
    shifted = optax.sgd(lambda t: jnp.where(t < 9, theirs(t), theirs(jnp.maximum(t - 1, 9))))
    np.testing.assert_allclose(path(ours, 100), path(shifted, 100), rtol=0, atol=2e-6)


@pytest.mark.parametrize("decay", ["constant", "linear", "cosine"])
def test_schedule_values(decay):
    def rate(step: int) -> float:
        return float(scheduled_rate(0.4, 20.0, 0.25, decay, jnp.int32(step), 120.0))

    assert rate(0) == pytest.approx(0.4 / 20)
    assert rate(9) == pytest.approx(0.4 / 2)
    assert rate(19) == pytest.approx(0.4)
    assert rate(20) == pytest.approx(0.4)
    left = {"constant": (1.0, 1.0), "linear": (0.5, 0.0), "cosine": (0.5, 0.0)}[decay]
    quarter = {"constant": 1.0, "linear": 0.75, "cosine": 0.5 * (1 + math.cos(math.pi / 4))}[decay]
    scale = (lambda share: 0.4 * share) if decay == "constant" else (lambda share: 0.4 * (0.25 + 0.75 * share))
    assert rate(45) == pytest.approx(scale(quarter))
    assert rate(70) == pytest.approx(scale(left[0]))
    assert rate(120) == pytest.approx(scale(left[1]))
    assert rate(1000) == pytest.approx(scale(left[1]))  # it stays at the end


@pytest.mark.parametrize(("warmup", "num_steps"), [(0.0, 1.0), (5.0, 5.0), (9.0, 5.0), (0.0, 100.0)])
def test_schedules_at_the_edges_are_finite_and_start_at_the_peak_without_warmup(warmup, num_steps):
    for decay in ("constant", "linear", "cosine"):
        values = [float(scheduled_rate(1.0, warmup, 0.0, decay, jnp.int32(t), num_steps)) for t in range(12)]
        assert np.isfinite(values).all()
        assert min(values) >= 0
        assert max(values) <= 1
        assert values[0] == pytest.approx(1.0 / max(warmup, 1.0))


def updates(optimizer: Adam, gradients: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The updates [steps, ...] of a given sequence of gradients."""
    transformation = optimizer.transformation(100.0)
    params = jnp.asarray(start, jnp.float32)
    state, out = transformation.init(params), []
    update = jax.jit(transformation.update)
    for gradient in jnp.asarray(gradients, jnp.float32):
        change, state = update(gradient, state, params)
        params = optax.apply_updates(params, change)
        out.append(np.asarray(change))
    return np.array(out)


def test_adam_at_eps_zero_leaves_what_has_no_gradient_alone():
    gradients = np.zeros((50, 4))
    gradients[:, 1] = 1e-30  # squares underflow, roots do not
    gradients[10:, 2] = -3.0
    gradients[:5, 3] = 1.0  # then exactly 0
    found = updates(Adam(learning_rate=0.1, eps=0.0), gradients, np.ones(4))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[:, 0], 0.0)
    np.testing.assert_allclose(found[:, 1], -0.1, rtol=1e-4)
    np.testing.assert_array_equal(found[:10, 2], 0.0)
    assert (found[10:, 2] > 0).all()
    assert (found[:, 3] < 0).all()


@pytest.mark.parametrize("gradient", [1e-45, 1e-39, 1e-37, 1e-36, 1e37])
@pytest.mark.parametrize(("b1", "b2"), [(0.9, 0.999), (0.9, 0.0), (0.0, 0.0), (0.5, 0.25)])
def test_adam_at_eps_zero_is_finite_at_the_ends_of_single_precision(gradient, b1, b2):
    gradients = np.zeros((40, 1))
    gradients[:20] = gradient
    found = updates(Adam(learning_rate=0.1, b1=b1, b2=b2, eps=0.0), gradients, np.zeros(1))
    assert np.isfinite(found).all()
    if gradient >= 1e-36:
        np.testing.assert_allclose(found[:20], -0.1, rtol=1e-4)


def grafted_by_hand(gradients: np.ndarray, b1: float, b2: float, eps: float) -> np.ndarray:
    """Steps in float64: Adam's length over all coordinates, along the mean of the gradients; 0 while there are none."""
    first, second, out = np.zeros(gradients.shape[1]), np.zeros(gradients.shape[1]), []
    for t, gradient in enumerate(gradients, start=1):
        first, second = b1 * first + (1 - b1) * gradient, b2 * second + (1 - b2) * gradient**2
        adam = first / (1 - b1**t) / (np.sqrt(second / (1 - b2**t)) + eps)
        out.append(np.linalg.norm(adam) * first / np.linalg.norm(first) if np.any(first) else np.zeros_like(first))
    return np.array(out)


@pytest.mark.parametrize(("b1", "b2", "eps"), [(0.9, 0.999, 1e-8), (0.5, 0.9, 0.3), (0.0, 0.99, 1e-8)])
def test_grafted_steps_have_the_length_of_adam_and_the_direction_of_the_momentum(b1, b2, eps):
    gradients = np.random.default_rng(3).normal(size=(40, 3)) * [1.0, 30.0, 0.01]  # what Adam would make equal
    gradients[:2] = 0.0
    found = updates(Grafted(learning_rate=0.1, b1=b1, b2=b2, eps=eps), gradients, np.zeros(3))
    np.testing.assert_allclose(found, -0.1 * grafted_by_hand(gradients, b1, b2, eps), rtol=0, atol=1e-5)
    like_adam = updates(Adam(learning_rate=0.1, b1=b1, b2=b2, eps=eps), gradients, np.zeros(3))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.linalg.norm(like_adam, axis=1), rtol=1e-4, atol=1e-6)
    assert np.abs(found - like_adam).max() > 0.05


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_an_impossible_token_stays_impossible(weight_decay):
    optimizer = Adam(learning_rate=0.1, eps=0.0, weight_decay=weight_decay)
    found = updates(optimizer, np.array([[0.0, 1.0]] * 3), np.array([-np.inf, 2.0]))
    np.testing.assert_array_equal(found[:, 0], 0.0)
    assert found[0, 1] == pytest.approx(-0.1 - 0.1 * weight_decay * 2.0, rel=1e-4)


@pytest.mark.parametrize(
    "optimizer",
    [
        Adam(0.1, b1=0.9, b2=0.99, weight_decay=0.1, warmup=3.0, final=0.5, decay="cosine", clip=0.5),
        Sgd(learning_rate=0.1, momentum=0.9, warmup=3.0, final=0.5, decay="linear", clip=0.5),
        Finch(0.1, b2=0.99, weight_decay=0.1, warmup=3.0, final=0.5, decay="cosine", clip=0.5, ceiling=2.0),
        Grafted(0.1, b2=0.99, weight_decay=0.1, warmup=3.0, final=0.5, decay="cosine", clip=0.5),
    ],
)
def test_numbers_are_traced_leaves_and_one_program_serves_all_values(optimizer):
    traces = []

    @jax.jit
    def train(optimizer, num_steps):
        traces.append(1)
        transformation = optax.with_extra_args_support(optimizer.transformation(num_steps))

        def step(t, carry):
            params, state = carry
            value = 0.5 * jnp.sum((params - 1.0) ** 2)
            change, state = transformation.update(params - 1.0, state, params, value=value)
            return optax.apply_updates(params, change), state

        params = jnp.zeros(3)
        return jax.lax.fori_loop(0, 20, step, (params, transformation.init(params)))[0]

    first = train(optimizer, 20.0)
    numbers = [f.name for f in dataclasses.fields(optimizer) if f.name not in ("decay", "average")]
    assert len(jax.tree.leaves(optimizer)) == len(numbers)
    for name in numbers:
        other = train(optimizer.replace(**{name: 0.5 * getattr(optimizer, name)}), 20.0)
        assert np.isfinite(other).all()
        if name != "eps":
            assert not np.array_equal(first, other), name
    train(optimizer, 30.0)
    assert len(traces) == 1
    train(optimizer.replace(decay="constant"), 20.0)
    assert len(traces) == 2
