"""A model that is linear in its parameters: the first-order expansion of another model around its parameters θ0."""

import jax
import jax.numpy as jnp
from flax import struct

from sim.models._base import Model
from sim.typing import NextLogProbs, Params, PRNGKey, Tokens


@struct.dataclass
class Linearised:
    """logits(θ) = f(θ0) + J(θ0) (θ - θ0), computed by one forward derivative. The Jacobian J is never formed.

    Under gradient descent this model follows the kernel J Jᵀ at θ0, which is held constant; the softmax is not
    linearised. So it is the prediction of the empirical neural tangent kernel at every step and for every optimiser.
    Source: A. Jacot et al., 2018, "Neural tangent kernel: convergence and generalization in neural networks"; J. Lee et
    al., 2019, "Wide neural networks of any depth evolve as linear models under gradient descent".
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
        """Number of tokens in a part of a batch, as for the model itself."""
        rows: int | None = getattr(self.model, "part_rows", None)
        return rows

    def init(self, key: PRNGKey) -> Params:
        """Return θ0. The key is not used."""
        del key
        return self.origin

    def logits(self, params: Params, tokens: Tokens) -> NextLogProbs:
        """The expansion at every position. A logit of -inf keeps its value."""
        moved = jax.tree.map(jnp.subtract, params, self.origin)
        value, change = jax.jvp(lambda theta: self.model.logits(theta, tokens), (self.origin,), (moved,))
        return jnp.where(jnp.isfinite(value), value + change, value)  # an impossible token stays impossible
