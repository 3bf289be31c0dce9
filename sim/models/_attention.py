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
class Tree:
    """Nodes of a trie in K chunks of C nodes, in the order of the trie. Padding is like the root."""

    token: Int[Array, "K C"]  # the token that leads to a node; V (BOS) at the root
    depth: Int[Array, "K C"]
    ancestors: Int[Array, "K C L"]  # the nodes on the path from the root to the node itself; then -1


def path_attention(
    query: Float[Array, "C H c"], key: Float[Array, "M H c"], value: Float[Array, "M H c"], ancestors: Int[Array, "C L"]
) -> Float[Array, "C H c"]:
    """Attention in which each node sees the nodes on its path from the root, itself included."""
    return attention(query[:, None], key[ancestors], value[ancestors], (ancestors >= 0)[:, None, :])[:, 0]
