"""Attention over a string, and over the ancestors of trie nodes: one formula with two layouts of the data."""

import jax
import jax.numpy as jnp
from flax import struct

from sim.typing import Array, Bool, Float, Int


def attention(
    query: Float[Array, "... Q H C"],
    key: Float[Array, "... P H C"],
    value: Float[Array, "... P H C"],
    seen: Bool[Array, "... #Q P"],
) -> Float[Array, "... Q H C"]:
    """softmax(q k^T / sqrt(C)) v over the seen positions.

    Source: A. Vaswani et al., 2017, "Attention is all you need", equation 1.
    """
    scores = jnp.einsum("...qhc,...phc->...hqp", query, key) * query.shape[-1] ** -0.5
    scores = jnp.where(jnp.expand_dims(seen, -3), scores, -jnp.inf)
    odds = jnp.exp(scores - jax.lax.stop_gradient(scores.max(axis=-1, keepdims=True)))
    # A product with the reciprocal, because XLA makes it of a quotient in some programs and not in others.
    weights = odds * jnp.reciprocal(odds.sum(axis=-1, keepdims=True))
    return jnp.einsum("...hqp,...phc->...qhc", weights, value)


def causal_attention(
    query: Float[Array, "B L H C"], key: Float[Array, "B L H C"], value: Float[Array, "B L H C"]
) -> Float[Array, "B L H C"]:
    """Attention in which each position sees itself and all earlier positions."""
    length = query.shape[-3]
    return attention(query, key, value, jnp.tri(length, dtype=bool)[None])


@struct.dataclass
class Chunk:
    """C trie nodes of one depth, stored in the slots start .. start + C - 1; or K such chunks, stacked."""

    start: Int[Array, "*K"]
    token: Int[Array, "*K C"]  # the token that leads to a node; V (BOS) at the root
    depth: Int[Array, "*K C"]
    ancestors: Int[Array, "*K C L"]  # slots of the nodes on the path from the root to the node itself; then -1


@struct.dataclass
class Cache:
    """Keys and values of every layer at every slot."""

    key: Float[Array, "D S H C"]
    value: Float[Array, "D S H C"]

    @classmethod
    def empty(cls, depth: int, num_slots: int, heads: int, size: int) -> "Cache":
        """Return a cache of zeros."""
        zeros = jnp.zeros((depth, num_slots, heads, size))
        return cls(zeros, zeros)

    def write(
        self, layer: int, start: Int[Array, ""], key: Float[Array, "C H c"], value: Float[Array, "C H c"]
    ) -> "Cache":
        """Return the cache with the keys and values of one chunk in one layer."""
        at = tuple(jnp.asarray(index, start.dtype) for index in (layer, start, 0, 0))
        return Cache(
            jax.lax.dynamic_update_slice(self.key, key[None], at),
            jax.lax.dynamic_update_slice(self.value, value[None], at),
        )


def chunk_attention(
    query: Float[Array, "C H c"], cache: Cache, layer: int, ancestors: Int[Array, "C L"]
) -> Float[Array, "C H c"]:
    """Attention in which each node sees the nodes on its path from the root, itself included."""
    key, value = cache.key[layer][ancestors], cache.value[layer][ancestors]
    return attention(query[:, None], key, value, (ancestors >= 0)[:, None, :])[:, 0]
