"""Training with activations in bfloat16, to find out what it gains and what it costs. No run uses it."""

import jax
import jax.numpy as jnp
from flax import struct

from sim.models._base import Model
from sim.typing import NextLogProbs, Params, PRNGKey, Tokens


@struct.dataclass
class Mixed:
    """A model whose products and activations are in bfloat16. Parameters, optimiser, norms and loss are in float32.

    XLA sums the products of a matrix product in float32, and flax computes the statistics of a layer norm in float32.
    """

    model: Model

    @property
    def length(self) -> int:
        """Horizon L, EOS included."""
        return self.model.length

    @property
    def vocab_size(self) -> int:
        """Number of tokens V, EOS included."""
        return self.model.vocab_size

    def init(self, key: PRNGKey) -> Params:
        """Return fresh parameters, in float32. The key is used up."""
        return self.model.init(key)

    def logits(self, params: Params, tokens: Tokens) -> NextLogProbs:
        """Logits at every position, in float32."""
        rounded = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
        return self.model.logits(rounded, tokens).astype(jnp.float32)
