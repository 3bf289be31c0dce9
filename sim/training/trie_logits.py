"""The model's logits at every distinct prefix of the support. A model that shares prefixes evaluates each one once."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.languages.trie import Trie
from sim.models._attention import Tree
from sim.models._base import Model, SharesPrefixes, Tabulates
from sim.training.parts import Pieces, Team
from sim.typing import Array, Float, Int, Params

CHUNK = 256
"""Number of trie nodes (or strings) that are scored at a time."""


@struct.dataclass
class TriePlan:
    """A trie prepared for scoring: its nodes in chunks, and strings that cover it."""

    tree: Tree
    strings: Int[Array, "K C L"]  # strings that together pass through every node, in chunks
    cover_row: Int[Array, "M"]  # the row of a covering string that passes through each node
    depth: Int[Array, "M"]


def trie_plan(trie: Trie) -> TriePlan:
    """Prepare a trie. Its nodes are padded to a multiple of CHUNK, so that one loop body serves all of them."""
    number = trie.num_nodes
    padding = -number % CHUNK
    seen = np.tri(trie.length, dtype=bool)
    ancestors = np.where(seen[trie.depth], trie.node[trie.first_string], -1).astype(np.int32)
    token = np.where(trie.token >= 0, trie.token, trie.vocab_size).astype(np.int32)
    own = np.concatenate([np.arange(number), np.zeros(padding, int)])  # padding is like the root
    shape = (-1, CHUNK)
    tree = Tree(
        jnp.asarray(token[own].reshape(shape)),
        jnp.asarray(trie.depth[own].astype(np.int32).reshape(shape)),
        jnp.asarray(ancestors[own].reshape(*shape, trie.length)),
    )
    covering, row = np.unique(trie.first_string, return_inverse=True)
    rows = np.pad(covering, (0, -len(covering) % CHUNK), mode="edge")
    return TriePlan(
        tree,
        jnp.asarray(trie.strings[rows].reshape(-1, CHUNK, trie.length)),
        jnp.asarray(row, jnp.int32),
        jnp.asarray(trie.depth, jnp.int32),
    )


def shared_logits(
    model: SharesPrefixes, params: Params, plan: TriePlan, team: Team | None = None
) -> Float[Array, "M V"]:
    """Logits at every node with prefix sharing: each node is computed once."""
    logits = model.tree_logits(params, plan.tree, Pieces(plan.tree.token.shape[0], team))
    return logits.reshape(-1, logits.shape[-1])[: plan.depth.shape[0]]


def covering_logits(model: Model, params: Params, plan: TriePlan, team: Team | None = None) -> Float[Array, "M V"]:
    """Logits at every node from strings that cover the trie. This works for any model, but repeats shared prefixes."""
    pieces = Pieces(plan.strings.shape[0], team)
    logits = pieces.gather(pieces.map(lambda strings: model.logits(params, strings), plan.strings))
    return logits.reshape(-1, *logits.shape[2:])[plan.cover_row, plan.depth]


@jax.jit
def trie_logits(model: Model, params: Params, plan: TriePlan) -> Float[Array, "M V"]:
    """Logits at every node of the trie, float32[M, V], with the highest precision of matrix products on the device."""
    return node_logits(model, params, plan, None)


def node_logits(model: Model, params: Params, plan: TriePlan, team: Team | None) -> Float[Array, "M V"]:
    """Do the same inside a program. The devices of a team can share the work."""
    with jax.default_matmul_precision("highest"):
        if isinstance(model, Tabulates):
            return model.node_logits(params)[:-1]
        if isinstance(model, SharesPrefixes):
            return shared_logits(model, params, plan, team)
        return covering_logits(model, params, plan, team)
