"""The trie table: one free softmax at every prefix of the support."""

import jax
import jax.numpy as jnp
from flax import struct

from sim.languages.device import walk
from sim.languages.trie import Trie
from sim.typing import Array, Float, Int, NextLogProbs, Params, PRNGKey, Tokens


@struct.dataclass
class TabularTrie:
    """log q(a | h) = log softmax(table[h])_a, with a free row at every prefix h of supp P, over all V tokens.

    Prefixes share nothing. A prefix that S never visits gets no gradient and keeps the row of q0. So fine-tuning moves
    gates and erases nothing. `scale` is the standard deviation of the initial logits [nat]. Prefixes off the support
    share one untrained row.
    """

    next_node: Int[Array, "M1 V"]
    scale: float = struct.field(pytree_node=False, default=0.0)
    length: int = struct.field(pytree_node=False, default=0)

    @property
    def vocab_size(self) -> int:
        """Number of tokens V."""
        return self.next_node.shape[-1]

    def init(self, key: PRNGKey) -> Params:
        """Return Gaussian logits. At scale 0 all are zero: the conditionals are uniform."""
        return {"logits": self.scale * jax.random.normal(key, self.next_node.shape)}

    def logits(self, params: Params, tokens: Tokens) -> NextLogProbs:
        """The row of the table for every prefix."""
        return self.node_logits(params)[walk(self.next_node, tokens)]

    def node_logits(self, params: Params) -> Float[Array, "M1 V"]:
        """The table itself."""
        return params["logits"]


def tabular_trie(trie: Trie, *, scale: float = 0.0) -> TabularTrie:
    """Construct the trie table on the support of P. `scale` is the standard deviation of its initial logits [nat]."""
    return TabularTrie(jnp.asarray(trie.next_node), scale, trie.length)


def label(**_: object) -> str:
    """Name the model for people."""
    return "trie table"
