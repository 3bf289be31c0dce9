"""A model that is linear in its parameters: the first-order expansion of another around where it begins."""

import jax
import jax.numpy as jnp
from flax import struct

from sim.models._base import Model
from sim.typing import NextLogProbs, Params, PRNGKey, Tokens


@struct.dataclass
class Linearised:
    """logits(θ) = f(θ0) + J(θ0) (θ - θ0), computed by one forward derivative; no Jacobian is ever formed.

    Trained by gradient descent it follows the kernel J Jᵀ at θ0 held constant, the softmax left as it is: what the
    empirical neural tangent kernel foretells of the model, at every step and for every optimiser.
    Source: A. Jacot et al., 2018; J. Lee et al., 2019, "Wide neural networks of any depth evolve as linear models".
    """

    model: Model
    origin: Params  # θ0

    @property
    def length(self) -> int:
        """Horizon L, EOS included."""
        return self.model.length

    @property
    def vocab_size(self) -> int:
        """Number of tokens V, EOS included."""
        return self.model.vocab_size

    @property
    def part_rows(self) -> int | None:
        """Tokens of a part of a batch, as for the model itself."""
        rows: int | None = getattr(self.model, "part_rows", None)
        return rows

    def init(self, key: PRNGKey) -> Params:
        """θ0; the key is not used."""
        del key
        return self.origin

    def logits(self, params: Params, tokens: Tokens) -> NextLogProbs:
        """The expansion at every position."""
        moved = jax.tree.map(jnp.subtract, params, self.origin)
        value, change = jax.jvp(lambda theta: self.model.logits(theta, tokens), (self.origin,), (moved,))
        return jnp.where(jnp.isfinite(value), value + change, value)  # a token that is impossible stays so
