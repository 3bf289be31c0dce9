"""Jobs of one structure in one compiled program. They are stacked, mapped over devices, advanced and evaluated."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from sim.languages.device import put
from sim.training.job import State, num_parts, start
from sim.training.programs import COUNTED, PARTS, Counts, Mapping, Rows, mesh, programs
from sim.training.sharing import Member, Sharing, shared_parts, stacked, structure
from sim.typing import Params

LOGITS_BYTES = 1 << 28
"""Largest size of the logits that are held at the same time while an ensemble is evaluated [bytes]."""


def default_mapping() -> Mapping:
    """Return how an ensemble is mapped by default: in one batched program on an accelerator, else over all devices."""
    return "vmap" if jax.default_backend() != "cpu" and jax.process_count() == 1 else "shards"


@dataclass(frozen=True)
class Layout:
    """Where the members of an ensemble are. Rows beyond the members are padding and are never computed.

    Each of `num_devices` devices has `spread` rows. Further rows, `common`, are on all devices, which divide the
    batches of these members among them. So no device is idle when the members cannot be divided evenly.
    """

    num_devices: int
    spread: int
    common: int

    @classmethod
    def of(cls, size: int, num_devices: int, is_divisible: bool) -> "Layout":
        """Return the layout with room for `size` members; only a batch that `is_divisible` can be divided."""
        if num_devices == 1 or not is_divisible:
            return cls(num_devices, -(-size // num_devices), 0)
        return cls(num_devices, max(1, size // num_devices), num_devices - 1)

    def places(self, number: int) -> list[int]:
        """Return the row of each of `number` members: the spread rows of the devices in turn, then the common rows."""
        rest = self.counts(number)[1]
        spread = [i % self.num_devices * self.spread + i // self.num_devices for i in range(number - rest)]
        return spread + [self.num_devices * self.spread + i for i in range(rest)]

    def counts(self, number: int) -> tuple[np.ndarray, int]:
        """Return the number of members in the spread rows of each device, and in the common rows."""
        rest = number % self.num_devices if self.common else 0
        return np.bincount(np.arange(number - rest) % self.num_devices, minlength=self.num_devices), rest

    @property
    def num_rows(self) -> int:
        """Number of rows, the rows of all devices together."""
        return self.num_devices * self.spread + self.common

    def looked(self, number: int) -> dict[tuple[int, int], int]:
        """Return where each of `number` members is evaluated: its index, by device and row of this device.

        Common rows come after the spread rows; all devices evaluate them together, and the first one is asked.
        """
        ends = self.num_devices * self.spread
        return {
            divmod(place, self.spread) if place < ends else (0, self.spread + place - ends): index
            for index, place in enumerate(self.places(number))
        }


class Ensemble:
    """Members and their states, stacked and placed on the devices, see `Layout`.

    size: the least number of members for which there is room, so that ensembles of different sizes share one program;
    shared: the parts of WORLD that are one object for all members. Ensembles that are to share a program need the same
    `shared`; by default it is what these members have in common. The constructor raises ValueError if the structures of
    the members differ.
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
        mapping = mapping or default_mapping()
        num_devices = jax.device_count() if mapping == "shards" else 1  # always all, for one program
        self.num_members = len(members)
        self.layout = Layout.of(max(size, len(members)), num_devices, num_parts(members[0][0]) > 1)
        self.place = self.layout.places(len(members))
        split = Sharing.of(members[0], shared_parts(members) if shared is None else shared)
        self._advance, self._logits = programs(split, mapping, num_devices)
        self._put = _placement(mapping, num_devices)
        begun = [start(job) if state is None else state for (job, _), state in zip(members, states, strict=True)]
        source = np.zeros(self.layout.num_rows, int)
        source[self.place] = np.arange(len(members))
        all_, own = split.split([members[i] for i in source])
        tree = jax.tree.structure(begun[0])
        rows = [stacked(leaves) for leaves in zip(*(jax.tree.leaves(begun[i]) for i in source), strict=True)]
        # Arrays are placed once, exactly as the program returns them. Otherwise jax would compile or copy again.
        self._shared, self._own = self._put(all_, PARTS.common), self._rows(own)
        self._states = Rows(*(leaves and jax.tree.unflatten(tree, leaves) for leaves in self._rows(rows)))
        spread, rest = self.layout.counts(len(members))
        numbers = Counts(spread.astype(np.int32), np.int32(rest), np.arange(num_devices, dtype=np.int32))
        self._counts = Counts(*map(self._put, numbers, COUNTED))
        self._logits_bytes = 4 * members[0][1].depth.size * members[0][0].model.vocab_size
        self.read()

    def _rows(self, tree: Any) -> Rows:
        """Put leaves with an axis of rows on the devices."""
        end = self.layout.num_devices * self.layout.spread
        spread = self._put(jax.tree.map(lambda leaf: leaf[:end], tree), PARTS.spread)
        if not self.layout.common:
            return Rows(spread, None)
        return Rows(spread, self._put(jax.tree.map(lambda leaf: leaf[end:], tree), PARTS.common))

    def _fetched(self, pick: Callable[[State], jax.Array]) -> np.ndarray:
        """Return a leaf of the states of all rows."""
        return np.concatenate([_whole(pick(states)) for states in self._states if states is not None])

    def read(self) -> None:
        """Fetch the progress of every member: `steps` int64[K], `loss_sums` float64[K] [nat per string], and `kl`."""
        self.steps = self._fetched(lambda states: states.step)[self.place].astype(np.int64)
        self.loss_sums = self._fetched(lambda states: states.loss_sum)[self.place].astype(np.float64)
        self.kl = self._fetched(lambda states: states.kl)[self.place].astype(np.float64)

    def advance(self, until: Sequence[int]) -> None:
        """Advance each member to its step. A member that has reached its step is not changed."""
        target = np.zeros(self.layout.num_rows, np.int32)
        target[self.place] = until
        self._states = self._advance(self._shared, self._own, self._states, self._rows(target), self._counts)
        self.read()

    def reset_losses(self, which: Sequence[int]) -> None:
        """Set the loss sums of these members to 0."""
        sums = self._fetched(lambda states: states.loss_sum)
        sums[[self.place[i] for i in which]] = 0.0
        placed = self._rows(sums)
        self._states = Rows(
            *(old and replace(old, loss_sum=new) for old, new in zip(self._states, placed, strict=True))
        )
        self.read()

    def state(self, index: int) -> State:
        """Return the state of one member."""
        found: State = self._of(index, lambda states: states)
        return found

    def params(self, index: int) -> Params:
        """Return the parameters of one member. The state of its optimiser is twice as large, and stays where it is."""
        return self._of(index, lambda states: states.params)

    def _of(self, index: int, pick: Callable[[State], Any]) -> Any:
        row, spread = self.place[index], self.layout.num_devices * self.layout.spread
        states, at = (self._states.spread, row) if row < spread else (self._states.common, row - spread)
        # Slices are taken on the host, because jax would need a dispatch for each leaf of each member.
        return jax.tree.map(lambda leaf: put(_whole(leaf)[at]), pick(states))

    def logits(self) -> Iterator[tuple[int, np.ndarray]]:
        """Iterate over the members: the index, and the logits at all nodes of its trie, float32[M, V].

        A few members are evaluated at a time, so that the logits fit into LOGITS_BYTES.
        """
        layout, params = self.layout, Rows(*(states and states.params for states in self._states))
        looked = layout.looked(self.num_members)
        per_device = layout.spread + layout.common
        width = max(1, min(per_device, LOGITS_BYTES // (layout.num_devices * self._logits_bytes)))
        for first in range(0, per_device, width):
            at = min(first, per_device - width)
            if not any(first <= row < at + width for _, row in looked):
                continue
            found = _whole(self._logits(width, self._shared, self._own, params, np.int32(at), self._counts))
            for place, logits in enumerate(found):
                device, row = place // width, at + place % width
                if row >= first and (device, row) in looked:
                    yield looked[device, row], logits


def _placement(mapping: Mapping, num_devices: int) -> Callable[[Any, PartitionSpec], Any]:
    """Return a function that puts arrays on the devices, divided as a specification says."""
    if mapping != "shards":
        return lambda tree, spec: jax.device_put(tree)
    devices = mesh(num_devices)
    if jax.process_count() == 1:
        return lambda tree, spec: jax.device_put(tree, NamedSharding(devices, spec))
    return lambda tree, spec: jax.tree.map(lambda leaf: _spread(leaf, NamedSharding(devices, spec)), tree)


def _spread(leaf: Any, sharding: NamedSharding) -> jax.Array:
    """Put an array that every process has on the devices of all processes."""
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        kind = str(jax.random.key_impl(leaf))
        wrapped = jax.jit(lambda data: jax.random.wrap_key_data(data, impl=kind), out_shardings=sharding)
        return wrapped(_spread(np.asarray(jax.random.key_data(leaf)), sharding))
    array = np.asarray(leaf)
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def _whole(array: jax.Array) -> np.ndarray:
    """Return an array on the host, also if it is on the devices of several processes."""
    if not array.is_fully_addressable:
        assert isinstance(array.sharding, NamedSharding)
        array = _replicated(NamedSharding(array.sharding.mesh, PartitionSpec()))(array).addressable_data(0)
    return np.asarray(array)


@functools.lru_cache(maxsize=8)
def _replicated(sharding: NamedSharding) -> Callable[[jax.Array], jax.Array]:
    return jax.jit(lambda array: array, out_shardings=sharding)
