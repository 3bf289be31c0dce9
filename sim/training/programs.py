"""The compiled programs of an ensemble: to advance its members, and to evaluate their models on the trie."""

import functools
import weakref
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, PartitionSpec

from sim.training.job import State, advance
from sim.training.parts import Team
from sim.training.sharing import Sharing
from sim.training.trie_logits import node_logits
from sim.typing import PyTree

Mapping: TypeAlias = Literal["shards", "vmap", "loop"]

AXIS = "ensemble"
"""Name of the mesh axis over which an ensemble is spread."""


class Rows(NamedTuple):
    """Leaves that are stacked over the members of an ensemble, as they are placed on the devices.

    spread: rows that are divided among the devices; common: rows that all devices have; None if there are none.
    """

    spread: PyTree
    common: PyTree


class Counts(NamedTuple):
    """The number of members in the rows, and the number of each device. All are traced."""

    spread: Any  # int[D], one number for each device
    common: Any  # int
    device: Any  # int[D]


PARTS = Rows(PartitionSpec(AXIS), PartitionSpec())
"""How rows are divided among the devices."""

COUNTED = Counts(PartitionSpec(AXIS), PartitionSpec(), PartitionSpec(AXIS))
"""How counts are divided among the devices."""


def mesh(num_devices: int) -> Mesh:
    """Return the devices over which an ensemble is spread."""
    return jax.make_mesh((num_devices,), (AXIS,), axis_types=(AxisType.Auto,))


@functools.lru_cache(maxsize=64)
def programs(split: Sharing, mapping: Mapping, num_devices: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the two programs of an ensemble: to advance and to evaluate. Ensembles with equal arguments share them.

    advance(shared, own, states, until, counts) -> states; evaluate(width, shared, own, params, first, counts) ->
    float32[D * width, M, V], where `first` and `width` say which rows of each device are evaluated.
    """
    many = functools.partial(_batched if mapping == "vmap" else _each, split, num_devices)
    look = functools.partial(_look_batched if mapping == "vmap" else _look_each, split, num_devices)
    if mapping != "shards":
        return _known(jax.jit(many), jax.jit(look, static_argnums=0))
    sharded = functools.partial(jax.shard_map, mesh=mesh(num_devices), check_vma=False)
    each, all_ = PartitionSpec(AXIS), PartitionSpec()

    def look_sharded(width: int, *arguments: Any) -> jax.Array:
        seen = sharded(functools.partial(look, width), in_specs=(all_, PARTS, PARTS, all_, COUNTED), out_specs=each)
        found: jax.Array = seen(*arguments)
        return found

    advancing = sharded(many, in_specs=(all_, PARTS, PARTS, PARTS, COUNTED), out_specs=PARTS)
    return _known(jax.jit(advancing), jax.jit(look_sharded, static_argnums=0))


_advancing: weakref.WeakSet[Any] = weakref.WeakSet()
_evaluating: weakref.WeakSet[Any] = weakref.WeakSet()


def _known(advance: Any, evaluate: Any) -> tuple[Any, Any]:
    _advancing.add(advance)
    _evaluating.add(evaluate)
    return advance, evaluate


def numbers() -> tuple[int, int]:
    """Return how many programs this process has, to advance ensembles and to evaluate them."""
    advancing, evaluating = (sum(one._cache_size() for one in known) for known in (_advancing, _evaluating))
    return advancing, evaluating


def _row(tree: PyTree, row: jax.Array) -> PyTree:
    return jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, row, keepdims=False), tree)


def _pick(rows: Rows, row: jax.Array, is_common: jax.Array) -> PyTree:
    """Return the leaves of one row, of the spread rows or of the common ones."""
    if rows.common is None:
        return _row(rows.spread, row)
    return jax.lax.cond(is_common, lambda: _row(rows.common, row), lambda: _row(rows.spread, row))


def _put(rows: Rows, row: jax.Array, is_common: jax.Array, values: PyTree) -> Rows:
    """Return the rows with other values in one of them."""

    def put(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf, new: jax.lax.dynamic_update_index_in_dim(leaf, new, row, 0), tree, values)

    if rows.common is None:
        return Rows(put(rows.spread), None)
    return Rows(
        *jax.lax.cond(is_common, lambda: (rows.spread, put(rows.common)), lambda: (put(rows.spread), rows.common))
    )


def _each(split: Sharing, size: int, shared: PyTree, own: Rows, states: Rows, until: Rows, counts: Counts) -> Rows:
    """Advance one member after the other: first the rows of this device, then the common rows, all devices together.

    The numbers of rows are traced, so that the results cannot depend on them.
    """
    mine = counts.spread[0]

    def one(index: jax.Array, states: Rows) -> Rows:
        is_common = index >= mine
        row = jnp.where(is_common, index - mine, index)
        job, _ = split.join(shared, _pick(own, row, is_common))
        team = None if own.common is None else Team(AXIS, size, is_common, counts.device[0])
        after = advance(job, _pick(states, row, is_common), _pick(until, row, is_common), team)
        return _put(states, row, is_common, after)

    return jax.lax.fori_loop(0, mine + counts.common, one, states)


def _batched(split: Sharing, size: int, shared: PyTree, own: Rows, states: Rows, until: Rows, counts: Counts) -> Rows:
    """Advance all members at once with vmap. Padding is not advanced."""
    del size

    def one(own: PyTree, state: State, until: jax.Array) -> State:
        return advance(split.join(shared, own)[0], state, until)

    rows = jnp.arange(until.spread.shape[0])
    goals = jnp.where(rows < counts.spread[0], until.spread, 0)
    return Rows(jax.vmap(one)(own.spread, states.spread, goals), None)


def _look_each(
    split: Sharing, size: int, width: int, shared: PyTree, own: Rows, params: Rows, first: jax.Array, counts: Counts
) -> jax.Array:
    """Evaluate rows one after the other: the spread rows of this device, then the common rows, all devices together."""
    mine = jax.tree.leaves(params.spread)[0].shape[0]

    def one(row: jax.Array, is_common: jax.Array) -> jax.Array:
        job, plan = split.join(shared, _pick(own, row, is_common))
        team = None if own.common is None else Team(AXIS, size, is_common, counts.device[0])
        return node_logits(job.model, _pick(params, row, is_common), plan, team)

    shape = jax.eval_shape(one, first, first == 0)
    nothing = jnp.zeros(shape.shape, shape.dtype)

    def seen(index: jax.Array, found: jax.Array) -> jax.Array:
        row = first + index
        is_common = row >= mine
        row = jnp.where(is_common, row - mine, row)
        is_used = row < jnp.where(is_common, counts.common, counts.spread[0])
        return found.at[index].set(jax.lax.cond(is_used, one, lambda *_: nothing, row, is_common))

    return jax.lax.fori_loop(0, width, seen, jnp.zeros((width, *nothing.shape), nothing.dtype))


def _look_batched(
    split: Sharing, size: int, width: int, shared: PyTree, own: Rows, params: Rows, first: jax.Array, counts: Counts
) -> jax.Array:
    del size, counts
    some = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, first, width), (own.spread, params.spread))

    def one(own: PyTree, params: PyTree) -> jax.Array:
        job, plan = split.join(shared, own)
        return node_logits(job.model, params, plan, None)

    return jax.vmap(one)(*some)
