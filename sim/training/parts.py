"""The gradient of a batch as a sum over fixed groups of strings, in a fixed order, on one device or on several."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.objectives._context import Batch
from sim.typing import Array, Bool, Float, Int, Params, PyTree, Scalar

MOST_GROUPS = 8
"""Most groups of a batch. The gradient of each group is kept until all are summed, and no more devices can help."""


@struct.dataclass
class Fed(Batch):
    """A batch that the host has prepared: strings, weights, and the exact next-token laws along the strings.

    law: log p(. | x_<t) [nat] at every position, -inf where the probability is 0; None if only the strings are known.
    """

    law: Float[Array, "*S B L V"] | None = None


Fields = TypeVar("Fields", bound=Batch)

Valued = Callable[[Params, Fields], Scalar]
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


@dataclass(frozen=True)
class Pieces:
    """`number` pieces of work, done by one device (team None) or by the devices of a team, see `sim.models._base`.

    Only the first `used` pieces are done (traced), or all of them if it is None. Nothing is said of the others.
    """

    number: int
    team: Team | None = None
    used: Int[Array, ""] | None = None

    def map(self, function: Callable[..., PyTree], *arrays: Array) -> PyTree:
        """Return the results of a function on the rows of arrays, stacked. Rows of other devices are zeros."""

        def row(index: Int[Array, ""]) -> PyTree:
            return function(*(jax.lax.dynamic_index_in_dim(one, index, keepdims=False) for one in arrays))

        like = jax.eval_shape(row, jnp.int32(0))
        empty = jax.tree.map(lambda leaf: jnp.zeros((self.number, *leaf.shape), leaf.dtype), like)

        def step(index: Int[Array, ""], found: PyTree) -> PyTree:
            return jax.tree.map(lambda leaf, new: leaf.at[index].set(new), found, row(index))

        return jax.lax.fori_loop(*self._own(), step, empty)

    def _own(self) -> tuple[Any, Any]:
        """Return the first piece of this device, and the piece after its last one."""
        used = self.number if self.used is None else self.used
        if self.team is None:
            return 0, used
        share = self._shared(used)
        first = jnp.minimum(self.team.number * share, used)
        last = jnp.minimum(first + share, used)
        return jnp.where(self.team.together, first, 0), jnp.where(self.team.together, last, used)

    def _shared(self, number: Any) -> Any:
        """The most pieces that a device does if all work together on so many."""
        return -(-number // (1 if self.team is None else self.team.size))

    def gather(self, stacked: PyTree) -> PyTree:
        """Return results of `map` with the rows of all devices."""
        team = self.team
        if team is None:
            return stacked
        most, share = self._shared(self.number), self._shared(self.number if self.used is None else self.used)

        def exchanged(stacked: PyTree) -> PyTree:
            """Exchange all leaves at once, because the devices wait for each other at every exchange.

            Each device sends as many rows as its share can be at most. The rows beyond its share are zeros, and those
            of the next device take their place.
            """
            leaves, tree = jax.tree.flatten(stacked)
            rows = jnp.concatenate([leaf.reshape(self.number, -1) for leaf in leaves], axis=1)
            padded = jnp.concatenate([rows, jnp.zeros((team.size * most - self.number, rows.shape[1]), rows.dtype)])
            own = jax.lax.dynamic_slice_in_dim(padded, team.number * share, most)
            found = jax.lax.all_gather(own, team.axis, tiled=True)
            if self.used is not None:
                for number in range(1, team.size):
                    some = found[number * most : (number + 1) * most]
                    found = jax.lax.dynamic_update_slice_in_dim(found, some, number * share, axis=0)
            every = found[: self.number]
            ends = np.cumsum([leaf[0].size for leaf in leaves])[:-1]
            parts = jnp.split(every, ends, axis=1)
            return jax.tree.unflatten(
                tree, [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
            )

        return jax.lax.cond(team.together, exchanged, lambda tree: tree, stacked)


def num_groups(num_parts: int) -> int:
    """Return the number of groups into which about `num_parts` parts are gathered: a power of two.

    So two, four or eight devices have equal shares.
    """
    return min(1 << (num_parts.bit_length() - 1), MOST_GROUPS)


def value_and_gradient(
    of: Valued[Fields], params: Params, batch: Fields, num_parts: int, team: Team | None
) -> tuple[Scalar, Params]:
    """Return the value and the gradient of an additive objective, summed over parts of the batch.

    All parts have the same size; strings of weight 0 fill the last ones. The parts are gathered into groups, and the
    groups are added one after the other. So the bits depend neither on the number of devices nor on their division.
    """
    pieces = Pieces(num_groups(num_parts), team)

    like, leaves = jax.tree.structure(batch), _grouped(batch, num_parts)

    def add(total: PyTree, part: list[Array]) -> tuple[PyTree, None]:
        return _plus(total, jax.value_and_grad(of)(params, jax.tree.unflatten(like, part))), None

    nothing = jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)

    def group(*parts: Array) -> PyTree:
        return jax.lax.scan(add, nothing, list(parts))[0]

    # The barriers keep XLA from fusing the sums with what is around them, which differs between programs.
    each = jax.lax.optimization_barrier(pieces.gather(pieces.map(group, *leaves)))
    found: tuple[Scalar, Params] = jax.lax.scan(lambda total, one: (_plus(total, one), None), nothing, each)[0]
    return jax.lax.optimization_barrier(found)


def _plus(total: PyTree, one: PyTree) -> PyTree:
    return jax.tree.map(jnp.add, total, one)


def _grouped(batch: Batch, num_parts: int) -> list[Array]:
    """Divide a batch into G groups of P parts of C strings; return the leaves of the batch, [G, P, C, ...] each.

    G P is as close to `num_parts` as groups of equal size allow.
    """
    number = num_groups(num_parts)
    parts = (2 * num_parts + number) // (2 * number)
    size = -(-len(batch.weight) // (number * parts))
    missing = number * parts * size - len(batch.weight)
    more = jax.tree.map(lambda leaf: leaf[:1].repeat(missing, axis=0), batch)
    more = replace(more, weight=jnp.zeros(missing, batch.weight.dtype))
    filled = jax.tree.map(lambda own, other: jnp.concatenate([own, other]), batch, more)
    return [leaf.reshape(number, parts, size, *leaf.shape[1:]) for leaf in jax.tree.leaves(filled)]
