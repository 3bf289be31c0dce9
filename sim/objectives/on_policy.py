"""Reverse KL and Jensen-Shannon to the fine-tuning data, by answers that the model itself writes."""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import OpenFraction
from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import answers, prompts_of
from sim.objectives.jensen_shannon import JensenShannon
from sim.objectives.reverse_kl import ReverseKl
from sim.theory.laws import Laws
from sim.typing import Language, Number, PRNGKey, Scalar

UNIT = "answer"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum."""


@struct.dataclass
class OnPolicy:
    """sg(c(y)) log q(y|x) for one answer y of q itself to every prompt of a batch [nat per string]; sg: no gradient.

    The cost c is the slope of a divergence in q: log(q/S~) for `reverse_kl`, and log(q/M)/2 with M = (S + q)/2 for
    `jensen_shannon`. So the gradient is an unbiased estimate of that of `sim.objectives.reverse_kl` or
    `jensen_shannon`, which sum over all answers, and the optimum is theirs. It is the score function without a
    baseline. At q = S~, or S, every cost is 0, and so is the noise. S~ is S smoothed by `delta`, which `jensen_shannon`
    does not use. Answers are drawn from the enumerated law of q, "outside" (what is not listed) included.
    Source: R. Williams, 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement
    learning", equation 11.
    """

    divergence: Literal["reverse_kl", "jensen_shannon"] = struct.field(pytree_node=False, default="reverse_kl")
    delta: Annotated[Number, OpenFraction] = 1e-3

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """The optimum of the divergence: S~ given that the answer is listed, or S."""
        return ReverseKl(self.delta).optimum(laws) if self.divergence == "reverse_kl" else JensenShannon().optimum(laws)

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one answer to every prompt of a batch; only its gradient has a meaning. The key is used up."""
        every = answers(context)
        log_q, log_s = every.log_law(q), every.log_law(context.truth)
        drawn = every.draw(log_q, prompts_of(context, batch.tokens), key)[0]
        if self.divergence == "reverse_kl":
            against = every.smoothed(log_s, self.delta)
        else:
            against = jnp.logaddexp(log_s, log_q) - jnp.log(2.0)
        cost = (log_q - against)[drawn] * (1.0 if self.divergence == "reverse_kl" else 0.5)
        return jnp.sum(batch.weight * jax.lax.stop_gradient(cost) * log_q[drawn])


def label(*, divergence: str = "reverse_kl", delta: float = 1e-3, **_: object) -> str:
    """Name the objective for people."""
    return f"reverse KL, on-policy, δ = {delta:g}" if divergence == "reverse_kl" else "Jensen–Shannon, on-policy"
