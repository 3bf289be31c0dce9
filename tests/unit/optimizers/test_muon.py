"""Muon: matrices of layers against the iteration in float64 and the SVD, the rest against Adam, and which is which."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sim.config import construct
from sim.languages.trie import Trie
from sim.optimizers.adam import Adam
from sim.optimizers.muon import Muon, of_layers
from sim.running.adapting import INNER
from sim.training.flat import flat

RATE, MOMENTUM, STEPS = 0.1, 0.9, 6
QUINTIC = (3.4445, -4.775, 2.0315)
"""The published coefficients of the iteration."""


def layered(kernel: np.ndarray, **others: np.ndarray) -> dict:
    return {"blocks": {"0": {"kernel": jnp.asarray(kernel)}}} | {k: jnp.asarray(v) for k, v in others.items()}


def steps(optimizer: Muon | Adam, gradients: list[dict], params: dict) -> list[dict]:
    """What an optimiser adds to the parameters, step by step."""
    transformation = optimizer.transformation(float(len(gradients)))
    state, found, update = transformation.init(params), [], jax.jit(transformation.update)
    for gradient in gradients:
        change, state = update(gradient, state, params)
        params = optax.apply_updates(params, change)
        found.append(jax.tree.map(np.asarray, change))
    return found


def orthogonalised(matrix: np.ndarray) -> np.ndarray:
    """Five steps of X <- a X + (b A + c A²) X with A = X Xᵀ, in float64."""
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (np.linalg.norm(x) + 1e-8)
    for _ in range(5):
        product = x @ x.T
        x = QUINTIC[0] * x + (QUINTIC[1] * product + QUINTIC[2] * product @ product) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


@pytest.mark.parametrize("shape", [(4, 4), (3, 8), (8, 3)])
def test_a_matrix_of_a_layer_moves_along_its_orthogonalised_momentum(shape):
    rng = np.random.default_rng(5)
    gradients = [rng.normal(size=shape) * 10.0 ** rng.integers(-3, 3) for _ in range(STEPS)]
    with jax.enable_x64(True):
        params = layered(np.zeros(shape))
        found = steps(Muon(RATE, momentum=MOMENTUM), [layered(one) for one in gradients], params)
    mean = np.zeros(shape)
    for t, (gradient, step) in enumerate(zip(gradients, found, strict=True), start=1):
        mean = MOMENTUM * mean + (1 - MOMENTUM) * gradient
        ahead = MOMENTUM * mean / (1 - MOMENTUM ** (t + 1)) + (1 - MOMENTUM) * gradient / (1 - MOMENTUM**t)
        expected = -RATE * 0.2 * np.sqrt(max(shape)) * orthogonalised(ahead)
        np.testing.assert_allclose(step["blocks"]["0"]["kernel"], expected, rtol=0, atol=1e-12)
        left, _, right = np.linalg.svd(ahead, full_matrices=False)
        own = left.T @ step["blocks"]["0"]["kernel"] @ right.T / (-RATE * 0.2 * np.sqrt(max(shape)))
        assert np.abs(own - np.diag(np.diag(own))).max() < 1e-12, "other singular vectors"
        assert 0.3 < np.diag(own).min() <= np.diag(own).max() < 1.3, "no orthogonal matrix"


def test_all_other_parameters_move_as_with_adam():
    rng = np.random.default_rng(6)
    sizes = {"bias": (3,), "embed": (5, 4), "head": (4, 5)}
    gradients = [
        layered(rng.normal(size=(4, 4)), **{k: rng.normal(size=v) for k, v in sizes.items()}) for _ in range(3)
    ]
    start = layered(np.ones((4, 4)), **{name: np.ones(size) for name, size in sizes.items()})
    options = {"b1": 0.8, "b2": 0.9, "eps": 1e-3, "weight_decay": 0.1, "warmup": 2.0, "decay": "linear"}
    found, like_adam = (steps(kind(RATE, **options), gradients, start) for kind in (Muon, Adam))
    for ours, theirs in zip(found, like_adam, strict=True):
        for name in sizes:
            np.testing.assert_array_equal(ours[name], theirs[name])
        assert not np.allclose(ours["blocks"]["0"]["kernel"], theirs["blocks"]["0"]["kernel"])


def test_a_matrix_without_a_gradient_stays():
    (found,) = steps(Muon(RATE), [layered(np.zeros((3, 5)))], layered(np.ones((3, 5))))
    np.testing.assert_array_equal(found["blocks"]["0"]["kernel"], 0.0)


@pytest.mark.parametrize("kind", ["transformer", "rotary"])
def test_the_matrices_of_layers_are_those_that_a_model_calls_inner(kind):
    node = {"kind": kind, "width": 8, "depth": 2, "heads": 2}
    model = construct("model", node, "model", Trie(np.zeros((1, 5), np.int32), 4))
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    names = {
        name for name, leaf in flat(jax.tree.map(lambda leaf: np.zeros(leaf.shape), shapes)).items() if leaf.ndim == 2
    }
    kinds = {
        jax.tree_util.keystr(path, simple=True, separator="."): value
        for path, value in jax.tree_util.tree_leaves_with_path(of_layers(shapes))
    }
    assert {name for name, value in kinds.items() if value == "matrix"} == {
        name for name in names if model.part(name) in INNER
    }
