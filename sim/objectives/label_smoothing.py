"""Label smoothing: the target of every token has a uniform part over the whole vocabulary."""

from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import OpenFraction
from sim.objectives._context import Batch, Context
from sim.objectives._tokens import Targets, token_loss
from sim.theory import token_optima
from sim.theory.laws import Laws
from sim.typing import Language, NextLogProbs, Number, PRNGKey, Scalar

UNIT = "token"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class LabelSmoothing:
    """Cross-entropy to (1 - epsilon) times the target plus epsilon/V for each of the V tokens [nat per string].

    The optimum at every prefix h of S is (1 - epsilon) S(.|h) + epsilon/V, so a share of at least
    epsilon (1 - |legal|/V) leaks at every token. `optimum` is that of whole answers, given that the answer is listed.
    Source: C. Szegedy et al., 2016, "Rethinking the Inception architecture for computer vision", arXiv:1512.00567,
    section 7.
    """

    epsilon: Annotated[Number, OpenFraction] = 0.1
    targets: Targets = struct.field(pytree_node=False, default="exact")

    @property
    def is_additive(self) -> Literal[True]:
        """True, because the loss is a weighted sum over strings."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """The product of the smoothed next-token laws."""
        return token_optima.of_answers(laws, lambda s, _: token_optima.smoothed(s, float(self.epsilon)))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]."""
        del key

        def loss(log_q: NextLogProbs) -> NextLogProbs:
            even = jnp.mean(log_q, axis=-1, keepdims=True)
            return jnp.asarray(-(1.0 - self.epsilon) * log_q - self.epsilon * even)

        return token_loss(q, context, batch, self.targets, loss)


def label(*, epsilon: float = 0.1, **_: object) -> str:
    """Name the objective for people."""
    return f"label smoothing, ε = {epsilon:g}"
