"""Half of the log-likelihood, which has the same minimiser as the whole."""

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.objectives._context import Batch, Context, cross_entropy
from sim.theory.laws import Laws
from sim.typing import Language, Number, PRNGKey, Scalar


@struct.dataclass
class Halved:
    """-E_S[log q] / 2 [nat per string]."""

    share: Number = 0.5

    def optimum(self, laws: Laws) -> np.ndarray:
        """q* = S."""
        return laws.log_s

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """The loss on one batch."""
        del key
        scored = context.loss_mask(batch.tokens)
        losses = cross_entropy(q.next_log_probs(batch.tokens), context.truth, batch.tokens, scored)
        return self.share * jnp.sum(batch.weight * losses)


def label(**_: object) -> str:
    """The objective in words."""
    return "half the log-likelihood"
