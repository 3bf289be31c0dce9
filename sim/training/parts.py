"""The gradient of a batch as a sum over fixed groups of strings, in a fixed order, on one device or on several."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from sim.objectives._context import Batch
from sim.typing import Array, Bool, Float, Int, Params, PyTree, Scalar

MOST_GROUPS = 8
"""Most groups of a batch. The gradient of each group is kept until all are summed, and no more devices can help."""

Valued = Callable[[Params, Batch], Scalar]
"""An objective on a batch, or on a part of it [nat per string]."""


@dataclass(frozen=True)
class Team:
    """The devices of an ensemble, from the view of one of them.

    axis: the name of the mesh axis; size: the number of devices; together: whether all devices work on the same model,
    and each computes some groups of a batch; otherwise each computes all groups for a model of its own; number: which
    of the devices this one is. The last two are traced, so that no program can depend on them.
    """

    axis: str
    size: int
    together: Bool[Array, ""]
    number: Int[Array, ""]


def num_groups(num_parts: int) -> int:
    """Return the number of groups into which the parts of a batch are gathered."""
    return min(num_parts, MOST_GROUPS)


def value_and_gradient(
    of: Valued, params: Params, batch: Batch, num_parts: int, team: Team | None
) -> tuple[Scalar, Params]:
    """Return the value and the gradient of an additive objective, summed over parts of the batch.

    All parts have the same size; strings of weight 0 fill the last ones. The parts are gathered into groups, and the
    groups are added one after the other. So the bits depend neither on the number of devices nor on their division.
    """
    groups = _grouped(batch, num_parts)
    number = num_groups(num_parts)

    def add(total: PyTree, part: tuple[Array, Array]) -> tuple[PyTree, None]:
        return _plus(total, jax.value_and_grad(of)(params, Batch(*part))), None

    nothing = jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)

    def group(index: Int[Array, ""]) -> PyTree:
        parts = jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, index, keepdims=False), groups)
        return jax.lax.scan(add, nothing, parts)[0]

    each = _each(group, number, nothing) if team is None else _divided(group, number, nothing, team)
    each = jax.lax.optimization_barrier(each)
    found: tuple[Scalar, Params] = jax.lax.scan(lambda total, one: (_plus(total, one), None), nothing, each)[0]
    return jax.lax.optimization_barrier(found)


def _plus(total: PyTree, one: PyTree) -> PyTree:
    return jax.tree.map(jnp.add, total, one)


def _grouped(batch: Batch, num_parts: int) -> tuple[Int[Array, "G P C L"], Float[Array, "G P C"]]:
    """Divide a batch into G groups of P parts of C strings; return the tokens and the weights."""
    number = num_groups(num_parts)
    parts = -(-num_parts // number)
    size = -(-len(batch.weight) // (number * parts))
    missing = number * parts * size - len(batch.weight)
    tokens = jnp.concatenate([batch.tokens, batch.tokens[:1].repeat(missing, axis=0)])
    weight = jnp.concatenate([batch.weight, jnp.zeros(missing, batch.weight.dtype)])
    return tokens.reshape(number, parts, size, -1), weight.reshape(number, parts, size)


def _each(group: Callable[[Any], PyTree], number: int, nothing: PyTree, first: Any = 0, last: Any = None) -> PyTree:
    """Return the sums of the groups from `first` to `last`, stacked; the others are zeros."""
    empty = jax.tree.map(lambda leaf: jnp.zeros((number, *leaf.shape), leaf.dtype), nothing)

    def step(index: Int[Array, ""], found: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf, new: leaf.at[index].set(new), found, group(index))

    found: PyTree = jax.lax.fori_loop(first, number if last is None else last, step, empty)
    return found


def _divided(group: Callable[[Any], PyTree], number: int, nothing: PyTree, team: Team) -> PyTree:
    """Return the sums of all groups, stacked; if the team works together, each device computes an equal share."""
    share = -(-number // team.size)
    mine = team.number * share
    first = jnp.where(team.together, mine, 0)
    last = jnp.where(team.together, jnp.minimum(mine + share, number), number)
    found = _each(group, team.size * share, nothing, first, last)

    def exchanged(found: PyTree) -> PyTree:
        own = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, mine, share), found)
        return jax.lax.all_gather(own, team.axis, tiled=True)

    found = jax.lax.cond(team.together, exchanged, lambda found: found, found)
    return jax.tree.map(lambda leaf: leaf[:number], found)
