"""Edits of parameters against second routes: the Gram matrix, exact fractions, and the laws of random directions."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.edits._base import applied, by_matrix, matrix_shape
from sim.edits.hard_threshold import hard_threshold
from sim.edits.interpolate import interpolate
from sim.edits.random_directions import frame, random_directions
from sim.edits.random_step import random_step
from sim.edits.random_update import random_update
from sim.edits.truncate import truncate

KEY, OTHER = jax.random.key(7), jax.random.key(8)
SHAPES = {"matrix": (7, 5), "wide": (3, 8), "kernel": (6, 2, 3), "bias": (4,), "scale": ()}


def drawn(seed: int) -> dict[str, np.ndarray]:
    dice = np.random.default_rng(seed)
    return {name: np.asarray(dice.standard_normal(shape)) for name, shape in SHAPES.items()}


BEFORE, AFTER = drawn(1), drawn(2)


def change(name: str, found: dict[str, np.ndarray]) -> np.ndarray:
    """ΔW of a parameter, as a matrix."""
    return (found[name] - BEFORE[name]).reshape(matrix_shape(SHAPES[name]))


def squares(matrix: np.ndarray) -> np.ndarray:
    """The squared singular values, falling: the eigenvalues of the Gram matrix on the shorter side."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    return np.linalg.eigvalsh(tall.T @ tall)[::-1]


# -- matrices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "matrix"),
    [((4, 9), (4, 9)), ((64, 2, 32), (64, 64)), ((2, 32, 64), (64, 64)), ((8, 3, 2, 4), (8, 24)), ((2, 2, 2), (2, 4))],
)
def test_axes_of_heads_are_joined(shape: tuple[int, ...], matrix: tuple[int, int]) -> None:
    assert matrix_shape(shape) == matrix


def test_only_matrices_are_changed() -> None:
    found = by_matrix(np.zeros_like, BEFORE, AFTER)
    for name, shape in SHAPES.items():
        np.testing.assert_array_equal(found[name], BEFORE[name] if len(shape) > 1 else AFTER[name], err_msg=name)
    with pytest.raises(ValueError, match=r"^a model with matrices is required, found vectors only; choose another"):
        by_matrix(np.zeros_like, {"bias": np.zeros(2)}, {"bias": np.ones(2)})


# -- truncate ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["matrix", "wide", "kernel"])
@pytest.mark.parametrize("rank", [1, 2])
def test_a_truncation_is_the_projection_on_the_top_eigenvectors_of_the_gram_matrix(name: str, rank: int) -> None:
    whole, found = change(name, AFTER), change(name, truncate(BEFORE, AFTER, KEY, rank=rank))
    vectors = np.linalg.eigh(whole @ whole.T)[1][:, -rank:]
    np.testing.assert_allclose(found, vectors @ (vectors.T @ whole), atol=1e-12)
    rest = squares(whole)[rank:]
    assert np.sum((whole - found) ** 2) == pytest.approx(rest.sum(), rel=1e-10), "the error of Eckart and Young"
    assert np.linalg.matrix_rank(found, tol=1e-10) == rank


def test_a_truncation_keeps_vectors_and_gives_the_tuned_model_at_full_rank() -> None:
    for name in ("bias", "scale"):
        np.testing.assert_array_equal(truncate(BEFORE, AFTER, KEY, rank=1)[name], AFTER[name])
    before, after = (jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), tree) for tree in (BEFORE, AFTER))
    found = applied(lambda *given: truncate(*given, rank=6), before, after, KEY)
    assert all(np.array_equal(found[name], after[name]) for name in SHAPES)


# -- random directions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 2, 9])
def test_random_directions_have_the_top_singular_values(rank: int) -> None:
    found, top = random_directions(BEFORE, AFTER, KEY, rank=rank), truncate(BEFORE, AFTER, KEY, rank=rank)
    for name in ("matrix", "wide", "kernel"):
        one, other = change(name, found), change(name, top)
        np.testing.assert_allclose(squares(one), squares(other), atol=1e-10)
        assert np.linalg.norm(one) == pytest.approx(np.linalg.norm(other), rel=1e-12)
        assert abs(np.sum(one * other)) < 0.9 * np.sum(other**2), "the directions are others"
    np.testing.assert_array_equal(found["bias"], AFTER["bias"])


def test_directions_are_orthonormal_and_uniform() -> None:
    dice = np.random.default_rng(0)
    frames = np.array([frame(4, 2, dice) for _ in range(2000)])
    np.testing.assert_allclose(frames.transpose(0, 2, 1) @ frames, np.broadcast_to(np.eye(2), (2000, 2, 2)), atol=1e-12)
    # An entry has mean 0 and variance 1/4, and its square has variance 3/(4·6) - 1/16 = 1/16.
    np.testing.assert_allclose(frames.mean(axis=0), 0.0, atol=5 * 0.5 / 2000**0.5)
    np.testing.assert_allclose((frames**2).mean(axis=0), 0.25, atol=5 * 0.25 / 2000**0.5)


# -- interpolation and steps ------------------------------------------------------------------------------------------


def test_the_ends_of_an_interpolation_are_exact_and_the_middle_is_the_weighted_mean() -> None:
    before, after = (jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), tree) for tree in (BEFORE, AFTER))
    for weight, end in ((0.0, before), (1.0, after)):
        found = applied(lambda *given, w=weight: interpolate(*given, weight=w), before, after, KEY)
        assert all(np.array_equal(found[name], end[name]) for name in SHAPES)
    found = interpolate(BEFORE, AFTER, KEY, weight=0.25)["matrix"]
    for start, end, one in zip(BEFORE["matrix"].flat, AFTER["matrix"].flat, found.flat, strict=True):
        exact = Fraction(3, 4) * Fraction(float(start)) + Fraction(1, 4) * Fraction(float(end))
        assert float(one) == pytest.approx(float(exact), rel=0, abs=1e-15)


def test_a_random_step_has_its_norm_and_no_preferred_direction() -> None:
    steps = []
    for seed in range(300):
        found = random_step(BEFORE, AFTER, jax.random.key(seed), norm=3.0)
        steps.append(np.concatenate([(found[name] - BEFORE[name]).ravel() for name in SHAPES]))
    number = len(steps[0])
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 3.0, rtol=1e-12)
    # A coordinate of a uniform direction has mean 0 and variance 1/n.
    np.testing.assert_allclose(np.mean(steps, axis=0) / 3.0, 0.0, atol=5 / (number * 300) ** 0.5)
    sizes = np.mean(np.square(steps), axis=0) / 9.0
    np.testing.assert_allclose(sizes, 1 / number, atol=5 * 2**0.5 / number / 300**0.5)


@pytest.mark.parametrize("edit", [lambda *given: random_step(*given, norm=1.0),
                                  lambda *given: random_directions(*given, rank=1)])  # fmt: skip
def test_what_is_random_depends_on_the_key_alone(edit) -> None:
    one, same, other = (edit(BEFORE, AFTER, key)["matrix"] for key in (KEY, KEY, OTHER))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_parameters_beyond_float32_are_refused() -> None:
    before = {"w": jnp.ones((2, 2), jnp.float32)}
    with pytest.raises(FloatingPointError, match=r"^finite parameters are required, found others; choose a smaller"):
        applied(lambda *given: random_step(*given, norm=1e60), before, before, KEY)


# -- hard_threshold, random_update ------------------------------------------------------------------------------------


def test_the_hard_threshold_keeps_what_stands_out_of_noise() -> None:
    dice = np.random.default_rng(5)
    noise, spike = 0.01 * dice.standard_normal((40, 30)), np.outer(np.ones(40), np.arange(30.0)) / 30.0
    before = {"matrix": dice.standard_normal((40, 30)), "bias": np.zeros(3)}
    after = {"matrix": before["matrix"] + noise + spike, "bias": np.ones(3)}
    found = hard_threshold(before, after, KEY)
    change = found["matrix"] - before["matrix"]
    assert np.linalg.matrix_rank(change, tol=1e-10) == 1
    np.testing.assert_allclose(change, truncate(before, after, KEY, rank=1)["matrix"] - before["matrix"], atol=1e-12)
    np.testing.assert_array_equal(found["bias"], after["bias"])


def test_a_random_update_has_the_norm_of_every_change_and_no_direction_of_it() -> None:
    found, again, other = (random_update(BEFORE, AFTER, key) for key in (KEY, KEY, OTHER))
    for name in ("matrix", "wide", "kernel"):
        one, whole = change(name, found), change(name, AFTER)
        assert np.linalg.norm(one) == pytest.approx(np.linalg.norm(whole), rel=1e-12)
        assert np.array_equal(found[name], again[name])
        assert not np.allclose(found[name], other[name])
    np.testing.assert_array_equal(found["bias"], AFTER["bias"])
    big = {"matrix": np.zeros((300, 200))}
    drawn_ = random_update(big, {"matrix": np.ones((300, 200))}, KEY)["matrix"]
    values = np.linalg.svd(drawn_, compute_uv=False)
    expected = 300 * 200 / (300**0.5 + 200**0.5) ** 2
    assert np.sum(values**2) / values[0] ** 2 == pytest.approx(expected, rel=0.05), "Marchenko and Pastur's edge"
