"""The focal loss: tokens that the model knows already count less."""

from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import NonNegative
from sim.objectives._context import Batch, Context
from sim.objectives._tokens import Targets, finite, token_loss
from sim.theory import token_optima
from sim.theory.laws import Laws
from sim.typing import Language, NextLogProbs, Number, PRNGKey, Scalar

UNIT = "token"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class Focal:
    """-(1 - q(a|h))^gamma log q(a|h) for the next token a [nat per string]; gamma = 0 is SFT.

    At the optimum S(a|h) phi(q)/q is the same for all tokens a of S, phi(q) = (1 - q)^gamma - gamma q (1 - q)^(gamma-1)
    log q. So it flattens S where the likeliest token has a large probability, and sharpens it where all are small.
    Source: T.-Y. Lin et al., 2017, "Focal loss for dense object detection", arXiv:1708.02002, equation 4.
    """

    gamma: Annotated[Number, NonNegative] = 2.0
    targets: Targets = struct.field(pytree_node=False, default="exact")

    @property
    def is_additive(self) -> Literal[True]:
        """True, because the loss is a weighted sum over strings."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """The product of the optima of the next-token laws."""
        return token_optima.of_answers(laws, lambda s, _: token_optima.focal(s, float(self.gamma)))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]."""
        del key

        def loss(log_q: NextLogProbs) -> NextLogProbs:
            rest = -jnp.expm1(log_q)
            inside = rest > 0  # at q = 1 the loss is 0, and its gradient too
            return -jnp.where(inside, jnp.where(inside, rest, 1.0) ** self.gamma, 0.0) * finite(log_q)

        return token_loss(q, context, batch, self.targets, loss)


def label(*, gamma: float = 2.0, **_: object) -> str:
    """Name the objective for people."""
    return f"focal loss, γ = {gamma:g}"
