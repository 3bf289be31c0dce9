"""Dynamic fine-tuning: every token is weighted by the probability that the model gives it."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.objectives._context import Batch, Context
from sim.objectives._tokens import Targets, finite, token_loss
from sim.theory import token_optima
from sim.theory.laws import Laws
from sim.typing import Language, NextLogProbs, PRNGKey, Scalar

UNIT = "token"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class Dft:
    """-sg(q(a|h)) log q(a|h) for the next token a [nat per string]; sg: no gradient.

    The gradient is that of -E_S[q(a|h)], the probability to guess the next token. So the optimum is a point mass on the
    greedy path: the likeliest token of S at every prefix, which need not give the likeliest string. It is None if two
    tokens are equally likely at some prefix. A model approaches it, and never reaches it.
    Source: Y. Wu et al., 2025, "On the generalization of SFT: a reinforcement learning perspective with reward
    rectification", arXiv:2508.05629, equation 9.
    """

    targets: Targets = struct.field(pytree_node=False, default="exact")

    @property
    def is_additive(self) -> Literal[True]:
        """True, because the loss is a weighted sum over strings."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """The greedy answer to every prompt that S shows."""
        return token_optima.of_answers(laws, lambda s, _: token_optima.greedy(s))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]; only its gradient has a meaning."""
        del key

        def loss(log_q: NextLogProbs) -> NextLogProbs:
            return -jax.lax.stop_gradient(jnp.exp(log_q)) * finite(log_q)

        return token_loss(q, context, batch, self.targets, loss)


def label(**_: object) -> str:
    """Name the objective for people."""
    return "DFT"
