"""What edits share: their signature, how they are applied, the matrices of a change, and random numbers."""

import functools
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64

from sim.numerics import matrix_shape
from sim.typing import Params, PRNGKey, PyTree

Weights: TypeAlias = PyTree[Float64[np.ndarray, "..."]]
"""The parameters of a model on the host, in float64."""

Change: TypeAlias = Callable[[Weights, Weights, PRNGKey], Weights]
"""An edit with its arguments: from the parameters of q0, those of the tuned model and a key to other parameters."""


def applied(change: Change, before: Params, after: Params, key: PRNGKey) -> Params:
    """Return the parameters that an edit makes of those of q0, `before`, and those of the tuned model, `after`.

    The edit computes in float64 on the host. Its result is rounded once, to the types of the parameters. Raises
    FloatingPointError if a parameter is not finite then.
    """
    found = change(_on_host(before), _on_host(after), key)
    with np.errstate(over="ignore"):
        rounded = jax.tree.map(lambda old, new: np.asarray(new, old.dtype), before, found)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(rounded)):
        raise FloatingPointError("finite parameters are required, found others; choose a smaller edit")
    return jax.tree.map(jnp.asarray, rounded)


def _on_host(params: Params) -> Weights:
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)


def by_matrix(function: Callable[[np.ndarray], np.ndarray], before: Weights, after: Weights) -> Weights:
    """Return `after` with function(ΔW) in place of the change ΔW of every matrix.

    Every parameter with two or more axes is a matrix: weights of attention and perceptron, embeddings, positions and
    the output matrix alike. With more than two axes, neighbouring axes are joined, see `matrix_shape`. Vectors, such as
    biases and gains, keep their full change. A vector is a matrix of rank one, so an edit by rank has nothing to cut.
    Raises ValueError if there is no matrix.
    """
    if all(leaf.ndim < 2 for leaf in jax.tree.leaves(after)):
        raise ValueError("a model with matrices is required, found vectors only; choose another model or another edit")

    def edited(start: np.ndarray, end: np.ndarray) -> np.ndarray:
        if end.ndim < 2:
            return end
        change = end - start
        return np.asarray(start + function(change.reshape(matrix_shape(change.shape))).reshape(change.shape))

    return jax.tree.map(edited, before, after)


def decomposed(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the singular value decomposition U, s, Vᵀ of a matrix.

    Several edits of one model need the same one, so the last decompositions are kept, and cannot be written to.
    """
    return _decomposed(matrix.tobytes(), matrix.shape)


@functools.lru_cache(maxsize=64)
def _decomposed(content: bytes, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts = np.linalg.svd(np.frombuffer(content).reshape(shape), full_matrices=False)
    for part in parts:
        part.flags.writeable = False
    left, values, right = parts
    return left, values, right


def generator(key: PRNGKey) -> np.random.Generator:
    """Return a generator of random numbers in float64 on the host. The key is used up."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
