"""Rejection sampling and fine-tuning: cross-entropy on those answers of the starting model that are in A."""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import answers, prompts_of
from sim.theory import answer_optima as theory
from sim.theory.laws import Laws
from sim.typing import Language, PRNGKey, Scalar

UNIT = "both"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class Rejection:
    """-E[log q(y|x)], y from q0(.|x, A), x from S(x) [nat per string]; q0 is the model with which the stage began.

    This is fine-tuning on answers of q0 that are accepted if they are in A. `targets: exact` sums over all accepted
    answers and uses no batch; `sampled` draws one accepted answer to every prompt of the batch. "Outside" (what is not
    listed) is rejected, unless A holds every string. Prompts to which q0 gives no answer in A count nothing.
    The optimum is q0(.|x, A). It is None if there is a prompt to which q0 has no answer in A.
    """

    targets: Literal["exact", "sampled"] = struct.field(pytree_node=False, default="exact")

    @property
    def takes_reward(self) -> Literal[True]:
        """True, because A decides what is accepted."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """q* = q0(.|x, A)."""
        return laws.documents(theory.tilted(laws.log_q0, np.where(laws.event, 0.0, -np.inf), laws.prompt))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Cross-entropy on accepted answers [nat per string]."""
        every = answers(context)
        log_q, accepted = every.log_law(q), every.rewards(context.event)
        log_kept = jnp.where(accepted, every.log_start(context), -jnp.inf)
        mass = every.of_prompt(jnp.exp(log_kept))
        if self.targets == "exact":
            target = jnp.where(mass > 0, jnp.exp(log_kept) / jnp.where(mass > 0, mass, 1.0), 0.0)
            missed = jnp.where(target > 0, target * -jnp.where(target > 0, log_q, 0.0), 0.0)
            # The sum of q - target is 0. With it the gradient is exactly 0 at the optimum.
            return every.mean(missed + jnp.where(mass > 0, jnp.exp(log_q) - target, 0.0))
        prompts = prompts_of(context, batch.tokens)
        drawn = every.draw(log_kept, prompts, key)[0]
        return jnp.sum(jnp.where(mass[drawn] > 0, batch.weight * -log_q[drawn], 0.0))


def label(*, targets: str = "exact", **_: object) -> str:
    """Name the objective for people."""
    return f"rejection sampling and SFT, {targets} targets"
