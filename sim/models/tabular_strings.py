"""The flat table: one softmax over all strings of the support."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.languages.device import walk
from sim.languages.trie import Trie
from sim.numerics import EOS
from sim.typing import Array, Float, Int, NextLogProbs, Params, PRNGKey, Tokens


@struct.dataclass
class TabularStrings:
    """q(x) = softmax(logits)_x over the N strings of supp P. No mass leaves the support, and each string has one logit.

    Its conditionals are ratios of masses: q(a | h) = q(strings that start with ha) / q(strings that start with h).
    Fine-tuning on a part of the support makes the lost strings equally likely in the end: it erases.
    """

    next_node: Int[Array, "M1 V"]
    edge: Int[Array, "N L"]  # the edge of every string at every position; E after the end
    edge_node: Int[Array, "E"]
    edge_token: Int[Array, "E"]
    scale: float = struct.field(pytree_node=False)
    length: int = struct.field(pytree_node=False)

    @property
    def vocab_size(self) -> int:
        """Number of tokens V."""
        return self.next_node.shape[-1]

    def init(self, key: PRNGKey) -> Params:
        """Return Gaussian logits. At scale 0 all are zero: the uniform law."""
        return {"logits": self.scale * jax.random.normal(key, self.edge.shape[:1])}

    def edge_log_mass(self, params: Params) -> Float[Array, "E"]:
        """log of the total weight of the strings through each edge, up to one common constant [nat]."""
        num_edges = self.edge_node.shape[0]
        log_weight = jnp.broadcast_to(params["logits"][:, None], self.edge.shape)
        top = jax.lax.stop_gradient(jax.ops.segment_max(log_weight.ravel(), self.edge.ravel(), num_edges + 1))
        shifted = jnp.exp(log_weight - jnp.where(jnp.isfinite(top), top, 0.0)[self.edge])
        total = jax.ops.segment_sum(shifted.ravel(), self.edge.ravel(), num_edges + 1)
        return jnp.log(total[:num_edges]) + top[:num_edges]

    def logits(self, params: Params, tokens: Tokens) -> NextLogProbs:
        """log-masses of the continuations of every prefix [nat]; -inf for tokens that leave the support."""
        return self.node_logits(params)[walk(self.next_node, tokens)]

    def node_logits(self, params: Params) -> Float[Array, "M1 V"]:
        """log-masses of the continuations of every node [nat]. The dead node (past EOS, off the support) emits EOS."""
        table = jnp.full(self.next_node.shape, -jnp.inf).at[-1, EOS].set(0.0)
        return table.at[self.edge_node, self.edge_token].set(self.edge_log_mass(params))


def tabular_strings(trie: Trie, *, scale: float = 0.0) -> TabularStrings:
    """Construct the flat table on the support of P. `scale` is the standard deviation of its initial logits [nat]."""
    edge = np.where(trie.edge >= 0, trie.edge, trie.num_edges)
    return TabularStrings(
        jnp.asarray(trie.next_node),
        jnp.asarray(edge, jnp.int32),
        jnp.asarray(trie.edge_node, jnp.int32),
        jnp.asarray(trie.edge_token, jnp.int32),
        scale,
        trie.length,
    )


def label(**_: object) -> str:
    """Name the model for people."""
    return "flat table"
