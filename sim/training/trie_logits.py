"""The model's logits at every distinct prefix of the support. A model that shares prefixes evaluates each one once."""

from collections.abc import Callable

import jax
import numpy as np
from flax import struct

from sim.languages.device import put
from sim.languages.trie import Trie
from sim.models._attention import Tree
from sim.models._base import HasFeatures, Model, SharesPrefixes, Tabulates
from sim.training.parts import Pieces, Team
from sim.typing import Array, Bool, Float, Int, Params, Tokens

CHUNK = 256
"""Number of trie nodes (or strings) that are scored at a time."""

SMALL_CHUNK, FEW = 64, 64
"""The same for a part of a trie; and the number of such chunks up to which all parts of a trie have one shape."""


@struct.dataclass
class TriePlan:
    """A trie, or a part of it, prepared for scoring: its nodes in chunks, and strings that cover them.

    Only the first `num_chunks` chunks of nodes, and `num_string_chunks` of strings, are computed; others are padding.
    """

    tree: Tree
    strings: Int[Array, "K C L"]  # strings that together pass through every node, in chunks
    cover_row: Int[Array, "M"]  # the row of a covering string that passes through each node
    depth: Int[Array, "M"]
    node: Int[Array, "M"]  # the number of each node in the whole trie
    num_chunks: Int[Array, ""]
    num_string_chunks: Int[Array, ""]


def trie_plan(trie: Trie) -> TriePlan:
    """Prepare a trie. Its nodes are padded to a multiple of CHUNK, so that one loop body serves all of them."""
    return _plan(trie, np.ones(trie.num_strings, bool), CHUNK, trie.num_nodes)


def part_plan(trie: Trie, kept: Bool[np.ndarray, "N"], room: tuple[int, int] | None = None) -> TriePlan:
    """Prepare the part of a trie that some strings pass through. The order of its nodes is that of the trie.

    Parts of tries of equal size have few shapes, so that programs can be shared: all parts of a trie of up to FEW
    chunks have the shape of the trie, and others are padded to a power of four. `room` is the shape of a larger part
    (`part_shape`), where the shape must not depend on the strings.
    """
    return _plan(trie, kept, SMALL_CHUNK, None, room)


def part_shape(trie: Trie, kept: Bool[np.ndarray, "N"]) -> tuple[int, int]:
    """Return the number of chunks, of nodes and of strings, for which `part_plan` has room."""
    own = trie.node[np.flatnonzero(kept)]
    num_nodes = len(np.unique(own[own >= 0]))
    return (
        _room(-(-num_nodes // SMALL_CHUNK), -(-trie.num_nodes // SMALL_CHUNK)),
        _room(-(-len(own) // SMALL_CHUNK), -(-trie.num_strings // SMALL_CHUNK)),
    )


def _plan(
    trie: Trie, kept: np.ndarray, chunk: int, num_nodes: int | None, wanted: tuple[int, int] | None = None
) -> TriePlan:
    rows = np.flatnonzero(kept)
    own = trie.node[rows]
    first = np.full(trie.num_nodes, trie.num_strings)  # the first kept string through each node
    np.minimum.at(first, own[own >= 0], np.broadcast_to(rows[:, None], own.shape)[own >= 0])
    nodes = np.flatnonzero(first < trie.num_strings)
    renumbered = np.full(trie.num_nodes + 1, -1, np.int32)  # the last entry is for "no node"
    renumbered[nodes] = np.arange(len(nodes))
    covering, row = np.unique(first[nodes], return_inverse=True)
    num_chunks, num_string_chunks = -(-len(nodes) // chunk), -(-len(covering) // chunk)
    room, string_room = (num_chunks, num_string_chunks) if num_nodes else wanted or part_shape(trie, kept)
    num_nodes = num_nodes or room * chunk
    at = np.pad(nodes, (0, room * chunk - len(nodes)))  # padding is like the root
    ancestors = np.where(np.tri(trie.length, dtype=bool)[trie.depth[nodes]], renumbered[trie.node[first[nodes]]], -1)
    ancestors = np.pad(ancestors, ((0, room * chunk - len(nodes)), (0, 0)), constant_values=-1)
    ancestors[len(nodes) :, 0] = 0
    token = np.where(trie.token >= 0, trie.token, trie.vocab_size)
    tree = Tree(
        put(token[at].reshape(room, chunk), np.int32),
        put(trie.depth[at].reshape(room, chunk), np.int32),
        put(ancestors.reshape(room, chunk, trie.length), np.int32),
    )
    strings = trie.strings[np.pad(covering, (0, string_room * chunk - len(covering)), mode="edge")]
    return TriePlan(
        tree,
        put(strings.reshape(string_room, chunk, trie.length)),
        put(np.pad(row, (0, num_nodes - len(nodes))), np.int32),
        put(trie.depth[at[:num_nodes]], np.int32),
        put(at[:num_nodes], np.int32),
        put(num_chunks, np.int32),
        put(num_string_chunks, np.int32),
    )


def _room(needed: int, most: int) -> int:
    """Return how many chunks there are room for if `needed` are needed now, and never more than `most`."""
    room = FEW
    while room < needed:
        room *= 4
    return min(most, room)


def shared_logits(
    model: SharesPrefixes, params: Params, plan: TriePlan, team: Team | None = None
) -> Float[Array, "M V"]:
    """Logits at every node with prefix sharing: each node is computed once."""
    logits = model.tree_logits(params, plan.tree, Pieces(plan.tree.token.shape[0], team, plan.num_chunks))
    return logits.reshape(-1, logits.shape[-1])[: plan.depth.shape[0]]


def covering_logits(model: Model, params: Params, plan: TriePlan, team: Team | None = None) -> Float[Array, "M V"]:
    """Logits at every node from strings that cover the trie. This works for any model, but repeats shared prefixes."""
    return _covering(lambda strings: model.logits(params, strings), plan, team)


def _covering(score: Callable[[Tokens], Array], plan: TriePlan, team: Team | None) -> Float[Array, "M V"]:
    pieces = Pieces(plan.strings.shape[0], team, plan.num_string_chunks)
    found = pieces.gather(pieces.map(score, plan.strings))
    nodes: Array = found.reshape(-1, *found.shape[2:])[plan.cover_row, plan.depth]
    return nodes


@jax.jit
def trie_features(model: HasFeatures, params: Params, plan: TriePlan) -> Float[Array, "M D"]:
    """Features at every node of the trie, float32[M, D], with the precision of `trie_logits`."""
    with jax.default_matmul_precision("highest"):
        return _covering(lambda strings: model.features(params, strings), plan, None)


@jax.jit
def trie_logits(model: Model, params: Params, plan: TriePlan) -> Float[Array, "M V"]:
    """Logits at every node of the trie, float32[M, V], with the highest precision of matrix products on the device."""
    return node_logits(model, params, plan, None)


def node_logits(model: Model, params: Params, plan: TriePlan, team: Team | None) -> Float[Array, "M V"]:
    """Do the same inside a program. The devices of a team can share the work."""
    with jax.default_matmul_precision("highest"):
        if isinstance(model, Tabulates):
            return model.node_logits(params)[plan.node]
        if isinstance(model, SharesPrefixes):
            return shared_logits(model, params, plan, team)
        return covering_logits(model, params, plan, team)
