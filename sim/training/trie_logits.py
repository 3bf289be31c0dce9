"""The model's logits at every distinct prefix of the support. A model that shares prefixes evaluates each one once."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.languages.trie import Trie
from sim.models._attention import Cache, Chunk
from sim.models._base import Model, SharesPrefixes, Tabulates
from sim.typing import Array, Float, Int, Params

CHUNK = 256
"""Number of trie nodes (or strings) that are scored at a time."""


@struct.dataclass
class TriePlan:
    """A trie prepared for scoring: chunks of nodes of equal depth, padded to one shape, and strings that cover it."""

    chunks: Chunk  # stacked along a leading axis
    slot: Int[Array, "M"]  # the index of each node in the concatenated chunks
    strings: Int[Array, "K C L"]  # strings that together pass through every node, in chunks
    cover_row: Int[Array, "M"]  # the row of a covering string that passes through each node
    depth: Int[Array, "M"]


def trie_plan(trie: Trie) -> TriePlan:
    """Prepare a trie. Levels are padded to multiples of CHUNK, so that one compiled loop body serves all of them."""
    level_sizes = np.bincount(trie.depth, minlength=trie.length)
    padded = -(-level_sizes // CHUNK) * CHUNK
    level_start = np.concatenate([[0], np.cumsum(padded)[:-1]])
    node_start = np.concatenate([[0], np.cumsum(level_sizes)[:-1]])
    slot = level_start[trie.depth] + np.arange(trie.num_nodes) - node_start[trie.depth]
    num_slots = int(padded.sum())
    token, depth = np.zeros(num_slots, np.int32), np.zeros(num_slots, np.int32)
    ancestors = np.full((num_slots, trie.length), -1, np.int32)
    ancestors[:, 0] = 0  # padding attends to the root, so that no softmax is empty
    token[slot] = np.where(trie.token >= 0, trie.token, trie.vocab_size)
    depth[slot] = trie.depth
    alive = trie.node >= 0
    path = np.where(alive, slot[trie.node], -1)
    seen = np.tri(trie.length, dtype=bool)
    at = path[trie.first_string]
    ancestors[slot] = np.where(seen[trie.depth], at, -1)
    shape = (-1, CHUNK)
    chunks = Chunk(
        jnp.arange(0, num_slots, CHUNK, dtype=jnp.int32),
        jnp.asarray(token.reshape(shape)),
        jnp.asarray(depth.reshape(shape)),
        jnp.asarray(ancestors.reshape(*shape, trie.length)),
    )
    covering, row = np.unique(trie.first_string, return_inverse=True)
    rows = np.pad(covering, (0, -len(covering) % CHUNK), mode="edge")
    return TriePlan(
        chunks,
        jnp.asarray(slot, jnp.int32),
        jnp.asarray(trie.strings[rows].reshape(-1, CHUNK, trie.length)),
        jnp.asarray(row, jnp.int32),
        jnp.asarray(trie.depth, jnp.int32),
    )


def shared_logits(model: SharesPrefixes, params: Params, plan: TriePlan) -> Float[Array, "M V"]:
    """Logits at every node with prefix sharing: each node is computed once."""

    def step(cache: Cache, chunk: Chunk) -> tuple[Cache, Float[Array, "C V"]]:
        return model.chunk_logits(params, cache, chunk)

    logits = jax.lax.scan(step, model.empty_cache(plan.chunks.token.size), plan.chunks)[1]
    return logits.reshape(-1, logits.shape[-1])[plan.slot]


def covering_logits(model: Model, params: Params, plan: TriePlan) -> Float[Array, "M V"]:
    """Logits at every node from strings that cover the trie. This works for any model, but repeats shared prefixes."""
    logits = jax.lax.map(lambda strings: model.logits(params, strings), plan.strings)
    return logits.reshape(-1, *logits.shape[2:])[plan.cover_row, plan.depth]


@jax.jit
def trie_logits(model: Model, params: Params, plan: TriePlan) -> Float[Array, "M V"]:
    """Logits at every node of the trie, float32[M, V], with the highest precision of matrix products on the device."""
    with jax.default_matmul_precision("highest"):
        if isinstance(model, Tabulates):
            return model.node_logits(params)[:-1]
        if isinstance(model, SharesPrefixes):
            return shared_logits(model, params, plan)
        return covering_logits(model, params, plan)
