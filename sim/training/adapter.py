"""Low-rank adapters and frozen parameters: which parameters a fine-tuning trains, and in which coordinates.

A model always has its full parameters. What differs is how a step changes them. So evaluations, edits, probes, later
stages and records need to know nothing of adapters.
"""

import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from sim.numerics import matrix_shape
from sim.optimizers._base import Optimizer
from sim.training.flat import path_name
from sim.typing import Array, Float, Number, Params, UInt32


@struct.dataclass
class Adapter:
    """What is trained: W = W0 + (alpha / rank) first second for some matrices W. Everything else is frozen.

    alpha: a traced number. rank: the number of columns of `first` and of rows of `second`; None if the matrices
    themselves are trained. matrices: the name of each matrix (`sim.training.flat`), and whether its first axis is the
    input of the layer. The factor on the side of the input begins with independent normal numbers of variance 1 / (size
    of the input), the other factor with 0. So the first model is q0.
    Source: E. Hu et al., 2022, "LoRA: low-rank adaptation of large language models" (arXiv 2106.09685), section 4.1;
    there B A is the change, A is the factor on the side of the input, and its normal distribution is not specified.
    """

    alpha: Number
    rank: int | None = struct.field(pytree_node=False)
    matrices: tuple[tuple[str, bool], ...] = struct.field(pytree_node=False)


@struct.dataclass
class Adapted:
    """An optimiser that works on the parameters of an adapter. Its state, decay and norms of gradients are theirs.

    dice: two numbers, the seed of the run and a number of the stage. The random factors are a function of them, and of
    the names of the matrices.
    """

    optimizer: Optimizer
    adapter: Adapter
    dice: UInt32[Any, "2"]

    def transformation(self, num_steps: Number) -> optax.GradientTransformationExtraArgs:
        """Return the update rule of the full parameters."""
        return reparametrised(self.optimizer.transformation(num_steps), self.adapter, self.dice)


class Factors(NamedTuple):
    """The two factors of the change of a matrix of m rows and n columns."""

    first: Float[Array, "m r"]
    second: Float[Array, "r n"]


class AdaptedState(NamedTuple):
    """W0 and the factors by the names of the matrices (both empty without a rank), and the state of the optimiser."""

    base: dict[str, Array]
    factors: dict[str, Factors]
    inner: Any


def reparametrised(
    inner: optax.GradientTransformation, adapter: Adapter, dice: UInt32[Any, "2"]
) -> optax.GradientTransformationExtraArgs:
    """Return an update rule of full parameters that steps on the parameters of an adapter.

    The gradients of the factors follow from the gradient G of W by the chain rule: (alpha / r) G secondᵀ and (alpha /
    r) firstᵀ G. A step changes the factors, and W becomes W0 + (alpha / r) first second, up to one rounding of W that
    does not add up over the steps. The updates of frozen parameters are 0.
    """
    whole = optax.with_extra_args_support(inner)
    names = [name for name, _ in adapter.matrices]

    def init(params: Params) -> AdaptedState:
        named = _named(params)
        if adapter.rank is None:
            return AdaptedState({}, {}, whole.init({name: named[name] for name in names}))
        key = jax.random.fold_in(jax.random.key(dice[0]), dice[1])
        factors = {
            name: fresh(jax.random.fold_in(key, zlib.crc32(name.encode())), named[name], adapter.rank, inputs_first)
            for name, inputs_first in adapter.matrices
        }
        return AdaptedState({name: named[name] for name in names}, factors, whole.init(factors))

    def update(
        updates: Params, state: AdaptedState, params: Params = None, **extra: Any
    ) -> tuple[Params, AdaptedState]:
        slopes, named = _named(updates), _named(params)
        if adapter.rank is None:
            own = ({name: tree[name] for name in names} for tree in (slopes, named))
            gradient, trained = own
            changes, after = whole.update(gradient, state.inner, trained, **extra)
            return _in_place(changes, updates), AdaptedState({}, {}, after)
        scale = adapter.alpha / adapter.rank
        pulled = {name: pull(slopes[name], state.factors[name], scale) for name in names}
        steps, after = whole.update(pulled, state.inner, state.factors, **extra)
        factors = optax.apply_updates(state.factors, steps)
        changes = {name: merged(state.base[name], factors[name], scale) - named[name] for name in names}
        return _in_place(changes, updates), AdaptedState(state.base, factors, after)

    return optax.GradientTransformationExtraArgs(init, update)


def fresh(key: Array, matrix: Array, rank: int, inputs_first: bool) -> Factors:
    """Return the factors with which an adapter begins; their product is 0."""
    rows, columns = matrix_shape(matrix.shape)
    first, second = jnp.zeros((rows, rank), matrix.dtype), jnp.zeros((rank, columns), matrix.dtype)
    if inputs_first:
        return Factors(jax.random.normal(key, first.shape, matrix.dtype) / rows**0.5, second)
    return Factors(first, jax.random.normal(key, second.shape, matrix.dtype) / columns**0.5)


def merged(base: Array, factors: Factors, scale: Number) -> Array:
    """W0 + scale first second, in the shape of W0."""
    return base + scale * (factors.first @ factors.second).reshape(base.shape)


def pull(gradient: Array, factors: Factors, scale: Number) -> Factors:
    """Return the gradients of the factors, from the gradient of the matrix."""
    slope = gradient.reshape(matrix_shape(gradient.shape))
    return Factors(*(jnp.asarray(scale * one) for one in (slope @ factors.second.T, factors.first.T @ slope)))


def _named(tree: Params) -> dict[str, Array]:
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _in_place(changes: dict[str, Array], like: Params) -> Params:
    """Return the changes as a tree of all parameters, with 0 for those that are frozen."""

    def change(path: tuple[object, ...], leaf: Array) -> Array:
        return changes.get(path_name(path), jnp.zeros_like(leaf))

    return jax.tree_util.tree_map_with_path(change, like)
