"""Fine-tuning with a penalty of forward KL to the starting model, of whole answers or token by token."""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import Positive
from sim.objectives._context import Batch, Context, cross_entropy
from sim.objectives._enumerated import answers, divergence, surprisal
from sim.objectives._tokens import finite, mean, scored_after
from sim.theory import answer_optima, optima, token_optima
from sim.theory.laws import Laws
from sim.typing import Language, Number, PRNGKey, Scalar


@struct.dataclass
class ForwardKlToStart:
    """-E_S log q + beta KL(q0‖q) [nat per string]; q0 is the model with which the stage began.

    level: with `string`, the divergence is that of answers to the prompts of S, exact by enumeration; the optimum is
    (S + beta q0)/(1 + beta), so this is self-replay with lambda = beta/(1 + beta). With `token` it is that of the
    next-token laws, summed over the prefixes h of S in a batch, as programs do it; the optimum there is
    (S(.|h) + beta q0(.|h))/(1 + beta), which is another language. `optimum` is given that the answer is listed.
    """

    beta: Annotated[Number, Positive] = 0.1
    level: Literal["string", "token"] = struct.field(pytree_node=False, default="string")
    targets: Literal["exact"] = struct.field(pytree_node=False, default="exact")

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """(S + beta q0)/(1 + beta), of answers or of tokens."""
        beta = float(self.beta)
        if self.level == "token":
            return token_optima.of_answers(laws, lambda s, q0: token_optima.mixed(s, q0, beta))
        found = optima.replay(laws.answers(laws.log_s), laws.start[: len(laws.prompt)], beta / (1.0 + beta))
        return laws.documents(answer_optima.tilted(found, 0.0, laws.prompt))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]."""
        del key
        if self.level == "string":
            every = answers(context)
            log_q = every.log_law(q)
            penalty = divergence(every.log_start(context), log_q)
            return every.mean(surprisal(every.log_law(context.truth), log_q) + self.beta * penalty)
        if context.anchor is None:
            raise ValueError("anchor: the model with which the phase began is required for this objective, found none")
        log_q, scored = q.next_log_probs(batch.tokens), scored_after(context, batch)
        log_start = jax.lax.stop_gradient(context.anchor.next_log_probs(batch.tokens))
        fit = jnp.sum(batch.weight * cross_entropy(log_q, context.truth, batch.tokens, scored))
        penalty = jnp.sum(jnp.exp(log_start) * (finite(log_start) - finite(log_q)), axis=-1)
        return jnp.asarray(fit + self.beta * mean(batch, scored, penalty))


def label(*, beta: float = 0.1, level: str = "string", **_: object) -> str:
    """Name the objective for people."""
    return f"forward KL to q₀ per {level}, β = {beta:g}"
