"""Fine-tuning with dropout in the residual stream."""

from typing import Annotated

import jax
import jax.numpy as jnp
from flax import struct

from sim.config import HalfOpenFraction
from sim.objectives._context import Batch, Context
from sim.objectives._disturbed import HasModule, disturbed
from sim.objectives._tokens import Targets, loss_of
from sim.typing import Array, Float, Language, Number, PRNGKey, Scalar

UNIT = "both"
"""What its loss is about, for the atlas: the next token, a whole answer, or both: its fit is cross-entropy."""


@struct.dataclass
class Dropout:
    """-E_S E_mask log q [nat per string]: entries of hidden states are 0 with probability `rate`, else 1/(1 - rate)
    times as large.

    They are those of the embedding, token plus position, and of the output of every attention and every perceptron
    before it is added to the residual stream. Attention weights are not dropped. Masks are drawn anew for each token of
    each string and each step; evaluations have none. rate = 0 is SFT. It needs hidden states, so a table cannot have
    it, and no optimum is known in closed form. The pretraining has no dropout, so all rates share it.
    Source: N. Srivastava et al., 2014, "Dropout: a simple way to prevent neural networks from overfitting"; the places
    are those of A. Vaswani et al., 2017, "Attention is all you need", section 5.4.
    """

    rate: Annotated[Number, HalfOpenFraction] = 0.1
    targets: Targets = struct.field(pytree_node=False, default="exact")

    @property
    def needs(self) -> type[HasModule]:
        """What the model must have."""
        return HasModule

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch with one draw of the masks [nat per string]. The key is used up."""

        def dropped(number: int, rows: Float[Array, "... D"]) -> Float[Array, "... D"]:
            kept = jax.random.bernoulli(jax.random.fold_in(key, number), 1.0 - self.rate, rows.shape)
            return jnp.where(kept, rows / (1.0 - self.rate), 0.0).astype(rows.dtype)

        def embedded(rows: Float[Array, "B L D"], position: Float[Array, "1 L D"]) -> Float[Array, "B L D"]:
            return dropped(0, rows + position) - position  # the model adds it again

        log_q = disturbed(q, batch.tokens, embedded, lambda number, rows: dropped(1 + number, rows))
        return loss_of(log_q, context, batch, self.targets, lambda log_q: -log_q)


def label(*, rate: float = 0.1, **_: object) -> str:
    """Name the objective for people."""
    return f"dropout, rate {rate:g}"
