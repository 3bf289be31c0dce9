"""A softmax for each position, whatever the prefix."""

import jax.numpy as jnp
from flax import struct

from sim.languages.trie import Trie
from sim.typing import NextLogProbs, Params, PRNGKey, Tokens


@struct.dataclass
class Positions:
    """log q(a | x_<t) = log softmax(table[t])_a."""

    length: int = struct.field(pytree_node=False, default=1)
    vocab_size: int = struct.field(pytree_node=False, default=2)

    def init(self, key: PRNGKey) -> Params:
        """All zero."""
        del key
        return {"table": jnp.zeros((self.length, self.vocab_size))}

    def logits(self, params: Params, tokens: Tokens) -> NextLogProbs:
        """The row of every position."""
        return jnp.broadcast_to(params["table"], (*tokens.shape, self.vocab_size))


def positions(trie: Trie) -> Positions:
    """The model for the strings of a trie."""
    return Positions(trie.length, trie.vocab_size)
