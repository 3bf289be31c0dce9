"""The power loss: cross-entropy with a power of the probability in the place of its logarithm."""

from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import Check
from sim.objectives._context import Batch, Context
from sim.objectives._tokens import Targets, token_loss
from sim.theory import token_optima
from sim.theory.laws import Laws
from sim.typing import Language, NextLogProbs, Number, PRNGKey, Scalar

Power = Check("a number below 1 other than 0", lambda value: value < 1 and value != 0)

UNIT = "token"
"""What the loss is about, for the report: the next token, a whole answer, or both."""


@struct.dataclass
class PowerLoss:
    """(1 - q(a|h)^k)/k for the next token a, summed over the answer [1 per string]; k is the power, k < 1 and k != 0.

    Its gradient is that of -log q(a|h), weighted by q(a|h)^k: with k > 0 unlikely tokens count less, with k < 0 more.
    With k -> 0 it is SFT. The minimiser at every prefix h of S is proportional to S(.|h)^(1/(1 - k)), because there
    S(a|h) q^(k-1) is the same for all tokens a. So k > 0 sharpens S, and k < 0 flattens it. The loss is convex in q.
    Source: Z. Zhang and M. R. Sabuncu, 2018, "Generalized cross entropy loss for training deep neural networks with
    noisy labels", arXiv:1805.07836, equation 6, there with 0 < k <= 1.
    """

    power: Annotated[Number, Power] = -0.5
    targets: Targets = struct.field(pytree_node=False, default="exact")

    @property
    def is_additive(self) -> Literal[True]:
        """True, because the loss is a weighted sum over strings. Leave this out if yours is none."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """The product of S(.|h)^(1/(1 - k)), normalised at every prefix. Leave this out if nothing is known."""
        return token_optima.of_answers(laws, lambda s, _: token_optima.powered(s, 1.0 / (1.0 - float(self.power))))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [1 per string]."""
        del key

        def loss(log_q: NextLogProbs) -> NextLogProbs:
            return jnp.asarray(-jnp.expm1(self.power * log_q) / self.power)

        return token_loss(q, context, batch, self.targets, loss)


def label(*, power: float = -0.5, **_: object) -> str:
    """Name the objective for people."""
    return f"power loss, k = {power:g}"
