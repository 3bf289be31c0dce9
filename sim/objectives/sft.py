"""Supervised fine-tuning: maximum likelihood on the SFT language."""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.objectives._context import Batch, Context, cross_entropy
from sim.theory.laws import Laws
from sim.typing import Language, PRNGKey, Scalar


@struct.dataclass
class Sft:
    """-E_S[log q] [nat per string]. Predicted optimum q* = S, for every S, at string and at token level.

    `targets: exact` uses S's own next-token law at each visited prefix (population training, the conditional
    expectation of the sampled gradient); `targets: sampled` the token that was drawn. Pretraining is the same on P.
    """

    targets: Literal["exact", "sampled"] = struct.field(pytree_node=False, default="exact")

    @property
    def is_additive(self) -> Literal[True]:
        """A weighted sum over strings."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray:
        """q* = S."""
        return laws.log_s

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """The loss on one batch."""
        del key
        truth = context.truth if self.targets == "exact" else None
        losses = cross_entropy(q.next_log_probs(batch.tokens), truth, batch.tokens, context.loss_mask(batch.tokens))
        return jnp.sum(batch.weight * losses)


def label(**_: object) -> str:
    """The objective in words."""
    return "SFT"
