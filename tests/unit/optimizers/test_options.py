"""Clipping, averaging and FINCH against numpy on given gradients and losses, and inside the training program."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sim.languages.device import on_device
from sim.models.tabular_trie import tabular_trie
from sim.optimizers.adam import Adam
from sim.optimizers.ema import Ema
from sim.optimizers.finch import Finch, label
from sim.optimizers.sgd import Sgd
from sim.optimizers.sgd import label as sgd_label
from sim.training.job import Job, advance, loss, start
from tests.unit.models.tiny_worlds import language, training

P = language({"a": 3, "ab": 5, "b": 2, "ba": 4, "bab": 6, "c": 1, "ca": 3, "": 2})
TABLE = tabular_trie(P.trie, scale=0.5)
STEPS = 20
DICE = np.random.default_rng(5)
GRADIENTS = DICE.normal(size=(STEPS, 6)) * np.geomspace(3.0, 0.1, STEPS)[:, None]
LOSSES = np.geomspace(4.0, 0.05, STEPS) * DICE.uniform(0.5, 1.5, STEPS)
LOSSES[2] = 40.0  # a batch of high loss


def path(optimizer: Adam | Sgd | Ema) -> np.ndarray:
    """Parameters, a pair of leaves, after each step of the given gradients and losses: float64[steps, 6]."""
    with jax.enable_x64(True):
        transformation = optax.with_extra_args_support(optimizer.transformation(float(STEPS)))
        params = {"one": jnp.zeros(2), "other": jnp.ones((2, 2))}
        state, out, update = transformation.init(params), [], jax.jit(transformation.update)
        for gradient, value in zip(GRADIENTS, LOSSES, strict=True):
            tree = {"one": jnp.asarray(gradient[:2]), "other": jnp.asarray(gradient[2:].reshape(2, 2))}
            change, state = update(tree, state, params, value=jnp.asarray(value))
            params = optax.apply_updates(params, change)
            out.append(np.concatenate([np.ravel(params["one"]), np.ravel(params["other"])]))
    return np.array(out)


def by_hand(rate: float, adam: bool, clip: float = np.inf, factors: np.ndarray | None = None) -> np.ndarray:
    """The same path in numpy, by Adam at its usual constants or by gradient descent."""
    theta, m, v, out = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 1.0]), np.zeros(6), np.zeros(6), []
    for t, g in enumerate(GRADIENTS, start=1):
        g = g * min(1.0, clip / np.sqrt(np.sum(g**2)))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        way = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8) if adam else g
        theta = theta - rate * (1.0 if factors is None else factors[t - 1]) * way
        out.append(theta)
    return np.array(out)


@pytest.mark.parametrize("adam", [True, False])
@pytest.mark.parametrize("clip", [0.5, 2.0])
def test_a_gradient_beyond_the_limit_is_scaled_to_it_as_a_whole(adam, clip):
    norms = np.linalg.norm(GRADIENTS, axis=1)
    assert norms.min() < clip < norms.max()
    found = path(Adam(0.05, clip=clip) if adam else Sgd(0.05, clip=clip))
    np.testing.assert_allclose(found, by_hand(0.05, adam, clip), rtol=0, atol=1e-12)
    assert np.abs(found - by_hand(0.05, adam)).max() > 1e-2


@pytest.mark.parametrize("kind", [Adam, Sgd])
@pytest.mark.parametrize(("share", "number"), [(0.25, 5), (1.0, 20), (0.01, 1), (0.12, 2)])
def test_the_last_parameters_are_the_mean_of_the_last_steps(kind, share, number):
    plain, found = path(kind(0.05)), path(kind(0.05, average=share))
    np.testing.assert_array_equal(found[:-1], plain[:-1])
    np.testing.assert_allclose(found[-1], plain[-number:].mean(axis=0), rtol=0, atol=1e-14)


@pytest.mark.parametrize("memory", [0.0, 0.6, 0.97])
def test_the_last_parameters_are_the_moving_average_from_the_start_on(memory):
    plain, found = path(Adam(0.05)), path(Ema(0.05, memory))
    np.testing.assert_array_equal(found[:-1], plain[:-1])
    weights = (1 - memory) * memory ** np.arange(STEPS)[::-1]
    start = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(found[-1], memory**STEPS * start + weights @ plain, rtol=0, atol=1e-14)


def smoothed(losses: np.ndarray, share: float) -> np.ndarray:
    found = [losses[0]]
    for one in losses[1:]:
        found.append(share * found[-1] + (1 - share) * one)
    return np.array(found)


@pytest.mark.parametrize(("share", "ceiling"), [(0.9, 100.0), (0.9, 1.5), (0.0, 4.0)])
def test_the_rate_of_finch_times_the_root_of_the_loss_stays_what_it_was(share, ceiling):
    loss = smoothed(LOSSES, share)
    factors = np.minimum(ceiling, np.sqrt(LOSSES[0] / loss))
    assert factors.min() < 1 < factors.max()
    found = path(Finch(0.05, smoothing=share, ceiling=ceiling))
    np.testing.assert_allclose(found, by_hand(0.05, adam=True, factors=factors), rtol=0, atol=1e-6)
    assert np.abs(found - by_hand(0.05, adam=True)).max() > 1e-2


def test_finch_takes_its_largest_rate_where_the_loss_is_gone(monkeypatch):
    monkeypatch.setattr(f"{__name__}.LOSSES", np.where(np.arange(STEPS) < 10, 1.0, -1.0))
    factors = np.where(np.arange(STEPS) < 10, 1.0, 3.0)
    found = path(Finch(0.05, smoothing=0.0, ceiling=3.0))
    np.testing.assert_allclose(found, by_hand(0.05, adam=True, factors=factors), rtol=0, atol=1e-6)


# -- inside the training program --------------------------------------------------------------------------------------


def job(optimizer: Adam | Sgd | Ema) -> Job:
    params, data = TABLE.init(jax.random.key(1)), on_device(P)
    return training(TABLE, params, data, data, optimizer=optimizer, num_steps=6.0, whole_support=False, batch_size=4)


program = jax.jit(advance)


def logits(one: Job, step: int) -> np.ndarray:
    return np.asarray(program(one, start(one), jnp.int32(step)).params["logits"])


def test_a_limit_that_is_never_reached_changes_no_bit():
    plain = logits(job(Adam(0.1)), 6)
    for limit, same in ((1e9, True), (np.inf, True), (0.1, False)):
        assert np.array_equal(logits(job(Adam(0.1, clip=limit)), 6), plain) == same


def test_a_training_ends_with_the_mean_of_its_trajectory():
    plain, other = job(Adam(0.1)), job(Adam(0.1, average=0.5))
    trajectory = [logits(plain, step) for step in range(7)]
    np.testing.assert_array_equal(logits(other, 5), trajectory[5])
    np.testing.assert_allclose(logits(other, 6), np.mean(trajectory[4:], axis=0), rtol=0, atol=1e-6)


def test_the_mean_begins_again_with_a_carried_state():
    one = job(Adam(0.1, average=0.5))
    ended = program(one, start(one), jnp.int32(6))
    again = start(one, ended.opt_state)
    assert int(again.opt_state[0].count) == 6, "the moments are carried over"
    assert int(again.opt_state[-1].count) == 0
    np.testing.assert_array_equal(again.opt_state[-1].mean["logits"], one.init["logits"])


@pytest.mark.parametrize(("optimizer", "expected"), [(Sgd(0.1, average=1.0), 0.85), (Ema(0.1, 0.5), 0.875)])
def test_an_impossible_token_stays_impossible_in_the_mean(optimizer, expected):
    with jax.enable_x64(True):
        transformation = optimizer.transformation(2.0)
        params = jnp.array([-jnp.inf, 1.0])
        state = transformation.init(params)
        for _ in range(2):
            change, state = transformation.update(jnp.array([0.0, 1.0]), state, params)
            params = optax.apply_updates(params, change)
    np.testing.assert_allclose(params, [-np.inf, expected], rtol=1e-6)


def test_finch_sees_the_loss_of_the_batch_of_its_step():
    one = job(Finch(0.1, smoothing=0.0, ceiling=50.0))
    value, first = jax.jit(loss), []
    for step in range(3):
        state = program(one, start(one), jnp.int32(step))
        expected = value(one, state.params, jax.random.fold_in(one.key, step))
        seen = program(one, state, jnp.int32(step + 1)).opt_state[3]
        assert float(seen.smoothed) == pytest.approx(float(expected), rel=1e-5)
        first.append(float(seen.first))
    assert first == [first[0]] * 3


def test_options_are_named_for_people():
    assert sgd_label(momentum=0.9) == "SGD with momentum"
    assert sgd_label(clip=0.5, average=0.25) == "SGD, gradients up to norm 0.5, mean of the last 25%"
    assert label() == "FINCH"


def test_a_training_ends_with_the_moving_average():
    plain, other = job(Adam(0.1)), job(Ema(0.1, 0.5))
    trajectory = [logits(plain, step) for step in range(7)]
    expected = 0.5**6 * trajectory[0] + sum(0.5 ** (7 - step) * trajectory[step] for step in range(1, 7))
    np.testing.assert_array_equal(logits(other, 5), trajectory[5])
    np.testing.assert_allclose(logits(other, 6), expected, rtol=0, atol=1e-6)
