"""Which parts of several jobs are one object for all of them, and how the other parts are stacked."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from sim.training.job import Job
from sim.training.trie_logits import TriePlan
from sim.typing import PyTree

WORLD = ("plan", "model", "base", "data", "event", "watched")
"""Parts of a member that may be one object for all members. Then their tables exist once on a device."""


def structure(tree: PyTree) -> Hashable:
    """Return the structure of a pytree: its tree, shapes and types. Jobs of equal structure can share one program."""
    leaves, treedef = jax.tree.flatten(tree)
    return treedef, tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)


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
        own = [
            stacked(leaves) for leaves, same in zip(zip(*flat, strict=True), self.is_shared, strict=True) if not same
        ]
        return shared, own

    def join(self, shared: Sequence[Any], own: Sequence[Any]) -> Member:
        """Return a member from the shared leaves and its own leaves."""
        one, other = iter(shared), iter(own)
        leaves = [next(one) if same else next(other) for same in self.is_shared]
        member: Member = jax.tree.unflatten(self.treedef, leaves)
        return member


def stacked(leaves: Sequence[Any]) -> Any:
    """Return leaves with a new leading axis. This is done on the host, because eager jax compiles for every shape."""
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
