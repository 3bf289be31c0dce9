"""Jobs of one structure in one compiled program. They are stacked, mapped over devices, advanced and evaluated."""

import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from sim.training.job import Job, State, advance, start
from sim.training.trie_logits import TriePlan, trie_logits
from sim.typing import PyTree

Mapping: TypeAlias = Literal["shards", "vmap", "loop"]

WORLD = ("plan", "model", "base", "data", "event")
"""Parts of a member that may be one object for all members. Then their tables exist once on a device."""

LOGITS_BYTES = 1 << 28
"""Largest size of the logits that are held at the same time while an ensemble is evaluated [bytes]."""


def structure(tree: PyTree) -> Hashable:
    """Return the structure of a pytree: its tree, shapes and types. Jobs of equal structure can share one program."""
    leaves, treedef = jax.tree.flatten(tree)
    return treedef, tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)


def default_mapping() -> Mapping:
    """Return how an ensemble is mapped by default: over virtual devices on a CPU, in one batched program elsewhere."""
    return "vmap" if jax.default_backend() != "cpu" else "shards"


Member: TypeAlias = tuple[Job, TriePlan]
"""A job, and the plan for evaluating its model on the trie."""


@dataclass(frozen=True)
class Sharing:
    """Which leaves of a member are shared by all members (`is_shared`), and the tree without its leaves (`treedef`)."""

    treedef: Any
    is_shared: tuple[bool, ...]

    @classmethod
    def of(cls, member: Member, shared: frozenset[str]) -> "Sharing":
        """Return the sharing of members that have the named parts (a subset of WORLD) in common."""
        paths, treedef = jax.tree_util.tree_flatten_with_path(member)
        return cls(treedef, tuple(_part(path) in shared for path, _ in paths))

    def split(self, members: Sequence[Member]) -> tuple[list[Any], list[Any]]:
        """Return the shared leaves, and the other leaves, stacked over the members."""
        flat = [jax.tree.leaves(member) for member in members]
        shared = [leaf for leaf, same in zip(flat[0], self.is_shared, strict=True) if same]
        own = [_stack(leaves) for leaves, same in zip(zip(*flat, strict=True), self.is_shared, strict=True) if not same]
        return shared, own

    def join(self, shared: Sequence[Any], own: Sequence[Any]) -> Member:
        """Return a member from the shared leaves and its own leaves."""
        one, other = iter(shared), iter(own)
        leaves = [next(one) if same else next(other) for same in self.is_shared]
        member: Member = jax.tree.unflatten(self.treedef, leaves)
        return member


def _stack(leaves: Sequence[Any]) -> Any:
    """Stack leaves along a new leading axis. This is done on the host, because eager jax compiles for every shape."""
    dtype = jnp.result_type(leaves[0])
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return jnp.stack(leaves)
    return np.stack([np.asarray(leaf, dtype) for leaf in leaves])


def _part(path: tuple[Any, ...]) -> str:
    """Return the part of WORLD that a leaf belongs to; "" if there is none."""
    if path[0].idx == 1:
        return "plan"
    names = [part.name for part in path[1:] if hasattr(part, "name")]
    found = names[1] if names[0] == "phase" else names[0]
    return found if found in WORLD else ""


def shared_parts(members: Sequence[Member]) -> frozenset[str]:
    """Return the parts of WORLD that are one object for all members."""
    paths = [_part(path) for path, _ in jax.tree_util.tree_flatten_with_path(members[0])[0]]
    flat = [jax.tree.leaves(member) for member in members]
    differing = {part for i, part in enumerate(paths) if any(leaves[i] is not flat[0][i] for leaves in flat)}
    return frozenset(set(WORLD) - differing)


class Ensemble:
    """Members and their states, stacked. Rows beyond the members are padding and are never computed.

    size: the least number of rows, so that ensembles of different sizes share one program; shared: the parts of WORLD
    that are one object for all members. Ensembles that are to share a program need the same `shared`; by default it is
    what these members have in common. The constructor raises ValueError if the structures of the members differ.
    """

    def __init__(
        self,
        members: Sequence[Member],
        states: Sequence[State | None],
        mapping: Mapping | None = None,
        size: int = 0,
        shared: frozenset[str] | None = None,
    ) -> None:
        different = len({structure(member) for member in members})
        if different != 1:
            raise ValueError(f"jobs: one structure is required, found {different}")
        self.mapping = mapping or default_mapping()
        shared = shared_parts(members) if shared is None else shared
        rows = max(size, len(members))
        num_devices = jax.local_device_count() if self.mapping == "shards" else 1  # always all, for one program
        per_device = -(-rows // num_devices)
        self.num_members = len(members)
        # member i is row i // D of device i % D, so that every device has work
        self.place = [i % num_devices * per_device + i // num_devices for i in range(len(members))]
        source = np.zeros(num_devices * per_device, int)
        source[self.place] = np.arange(len(members))
        split = Sharing.of(members[0], shared)
        self._advance, self._logits = _programs(split, self.mapping, num_devices)
        self._put, put_shared = _placement(self.mapping, num_devices)
        all_, own = split.split([members[i] for i in source])
        begun = [start(job) if state is None else state for (job, _), state in zip(members, states, strict=True)]
        stacked = [_stack(leaves) for leaves in zip(*(jax.tree.leaves(begun[i]) for i in source), strict=True)]
        # Arrays are placed once, exactly as the program returns them. Otherwise jax would compile or copy again.
        self._shared, self._own = put_shared(all_), self._put(own)
        self._states: State = jax.tree.unflatten(jax.tree.structure(begun[0]), self._put(stacked))
        self._logits_bytes = 4 * members[0][1].depth.size * members[0][0].model.vocab_size
        counts = np.bincount(np.arange(len(members)) % num_devices, minlength=num_devices)
        self._counts = self._put(counts.astype(np.int32))
        self.read()

    def read(self) -> None:
        """Fetch the progress of every member: `steps` int64[K] and `loss_sums` float64[K] [nat per string]."""
        self.steps = np.asarray(self._states.step)[self.place].astype(np.int64)
        self.loss_sums = np.asarray(self._states.loss_sum)[self.place].astype(np.float64)

    def advance(self, until: Sequence[int]) -> None:
        """Advance each member to its step. A member that has reached its step is not changed."""
        target = np.zeros(self._states.step.shape[0], np.int32)
        target[self.place] = until
        self._states = self._advance(self._shared, self._own, self._states, self._put(target), self._counts)
        self.read()

    def reset_losses(self, which: Sequence[int]) -> None:
        """Set the loss sums of these members to 0."""
        sums = np.array(self._states.loss_sum)
        sums[[self.place[i] for i in which]] = 0.0
        self._states = replace(self._states, loss_sum=self._put(sums))
        self.read()

    def state(self, index: int) -> State:
        """Return the state of one member."""
        row = self.place[index]
        # Slices are taken on the host, because jax would need a dispatch for each leaf of each member.
        return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[row]), self._states)

    def logits(self) -> Iterator[tuple[int, np.ndarray]]:
        """Iterate over the members: the index, and the logits at all nodes of its trie, float32[M, V].

        A few members are evaluated at a time, so that the logits fit into LOGITS_BYTES.
        """
        rows = self._states.step.shape[0]
        num_devices = self._counts.shape[0]
        per_device = rows // num_devices
        width = max(1, min(per_device, LOGITS_BYTES // (num_devices * self._logits_bytes)))
        member = {row: index for index, row in enumerate(self.place)}
        for first in range(0, -(-self.num_members // num_devices), width):
            at = min(first, per_device - width)
            found = np.asarray(self._logits(width, self._shared, self._own, self._states.params, jnp.int32(at)))
            for row, logits in enumerate(found):
                own = row // width * per_device + at + row % width
                if own in member and at + row % width >= first:
                    yield member[own], logits


def _mesh(num_devices: int) -> Mesh:
    return jax.make_mesh((num_devices,), ("ensemble",), axis_types=(AxisType.Auto,))


def _placement(mapping: Mapping, num_devices: int) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return two functions that put arrays on the devices: one for stacked arrays, one for shared arrays."""
    if mapping != "shards":
        return jax.device_put, jax.device_put
    mesh = _mesh(num_devices)
    each, all_ = NamedSharding(mesh, PartitionSpec("ensemble")), NamedSharding(mesh, PartitionSpec())
    return lambda tree: jax.device_put(tree, each), lambda tree: jax.device_put(tree, all_)


@functools.lru_cache(maxsize=64)
def _programs(split: Sharing, mapping: Mapping, num_devices: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the two programs of an ensemble: to advance and to evaluate. Ensembles with equal arguments share them."""
    many, look = (_batched, _look_batched) if mapping == "vmap" else (_each, _look_each)
    many = functools.partial(many, split)
    if mapping != "shards":
        return jax.jit(many), jax.jit(functools.partial(look, split), static_argnums=0)
    each, all_ = PartitionSpec("ensemble"), PartitionSpec()
    sharded = functools.partial(jax.shard_map, mesh=_mesh(num_devices), out_specs=each, check_vma=False)

    def look_sharded(width: int, *arguments: Any) -> jax.Array:
        return sharded(functools.partial(look, split, width), in_specs=(all_, each, each, all_))(*arguments)

    return jax.jit(sharded(many, in_specs=(all_, each, each, each, each))), jax.jit(look_sharded, static_argnums=0)


def _row(tree: PyTree, row: jax.Array) -> PyTree:
    return jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, row, keepdims=False), tree)


def _each(split: Sharing, shared: PyTree, own: PyTree, states: State, until: jax.Array, counts: jax.Array) -> State:
    """Advance one member after the other. Their number is traced, so that the results cannot depend on it."""

    def one(row: jax.Array, states: State) -> State:
        job, _ = split.join(shared, _row(own, row))
        after = advance(job, _row(states, row), until[row])
        return jax.tree.map(lambda leaf, new: jax.lax.dynamic_update_index_in_dim(leaf, new, row, 0), states, after)

    return jax.lax.fori_loop(0, counts[0], one, states)


def _batched(split: Sharing, shared: PyTree, own: PyTree, states: State, until: jax.Array, counts: jax.Array) -> State:
    """Advance all members at once with vmap. Padding is not advanced."""

    def one(own: PyTree, state: State, until: jax.Array) -> State:
        return advance(split.join(shared, own)[0], state, until)

    return jax.vmap(one)(own, states, jnp.where(jnp.arange(until.shape[0]) < counts[0], until, 0))


def _some(width: int, own: PyTree, params: PyTree, first: jax.Array) -> PyTree:
    return jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, first, width), (own, params))


def _look_each(split: Sharing, width: int, shared: PyTree, own: PyTree, params: PyTree, first: jax.Array) -> jax.Array:
    some = _some(width, own, params, first)

    def one(row: jax.Array) -> jax.Array:
        own, params = _row(some, row)
        job, plan = split.join(shared, own)
        return trie_logits(job.model, params, plan)

    shape = jax.eval_shape(one, first)
    rows = jnp.minimum(first + width, width)  # it always equals `width`, but it is traced, see _each
    return jax.lax.fori_loop(
        0, rows, lambda row, found: found.at[row].set(one(row)), jnp.zeros((width, *shape.shape), shape.dtype)
    )


def _look_batched(
    split: Sharing, width: int, shared: PyTree, own: PyTree, params: PyTree, first: jax.Array
) -> jax.Array:
    def one(own: PyTree, params: PyTree) -> jax.Array:
        job, plan = split.join(shared, own)
        return trie_logits(job.model, params, plan)

    return jax.vmap(one)(*_some(width, own, params, first))
