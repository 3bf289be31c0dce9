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
    """-E_S[log q] [nat per string]. The predicted optimum is q* = S for every S, for strings and for tokens.

    `targets: exact` uses the exact next-token law of S at each visited prefix: this is the conditional expectation of
    the sampled gradient. `targets: sampled` uses the token that was drawn. Pretraining uses the same objective on P.
    """

    targets: Literal["exact", "sampled"] = struct.field(pytree_node=False, default="exact")

    @property
    def is_additive(self) -> Literal[True]:
        """True, because the loss is a weighted sum over strings."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray:
        """q* = S."""
        return laws.log_s

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]."""
        del key
        truth = context.truth if self.targets == "exact" else None
        losses = cross_entropy(q.next_log_probs(batch.tokens), truth, batch.tokens, context.loss_mask(batch.tokens))
        return jnp.sum(batch.weight * losses)


def label(**_: object) -> str:
    """Name the objective for people."""
    return "SFT"
