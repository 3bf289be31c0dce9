"""Cross-entropy with a bonus for entropy, of next-token laws or of whole answers."""

from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import Positive
from sim.objectives._context import Batch, Context, cross_entropy
from sim.objectives._enumerated import answers, surprisal
from sim.objectives._tokens import finite, mean, scored_after
from sim.theory import answer_optima, token_optima
from sim.theory.laws import Laws
from sim.typing import Language, Number, PRNGKey, Scalar


@struct.dataclass
class EntropyBonus:
    """-E_S log q - tau H(q) [nat per string].

    level: with `token`, H is that of q(.|h) over V tokens, summed over the prefixes h of S in a batch; with `string`
    it is that of the outcomes of a prompt (the listed answers, and "outside"), exact by enumeration, without batches.
    At the optimum S/q - tau log q is the same for all tokens, or outcomes. So the entropy that it adds is uniform: over
    the tokens that are never valid, and "outside", too. `optimum` is given that the answer is listed.
    """

    tau: Annotated[Number, Positive] = 0.1
    level: Literal["token", "string"] = struct.field(pytree_node=False, default="token")
    targets: Literal["exact"] = struct.field(pytree_node=False, default="exact")

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """The law in which S/q - tau log q is the same everywhere, given that the answer is listed."""
        tau = float(self.tau)
        if self.level == "token":
            return token_optima.of_answers(laws, lambda s, _: token_optima.entropic(s, tau))
        outside = np.full(len(laws.outcomes) - len(laws.prompt), -np.inf)
        every = np.concatenate([laws.answers(laws.log_s), outside])
        found = answer_optima.entropic(every, tau, laws.outcomes)[: len(laws.prompt)]
        return laws.documents(answer_optima.tilted(found, 0.0, laws.prompt))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]."""
        del key
        if self.level == "token":
            log_q, scored = q.next_log_probs(batch.tokens), scored_after(context, batch)
            fit = jnp.sum(batch.weight * cross_entropy(log_q, context.truth, batch.tokens, scored))
            even = jnp.sum(jnp.exp(log_q) * finite(log_q), axis=-1)
            return jnp.asarray(fit + self.tau * mean(batch, scored, even))
        every = answers(context)
        log_q = every.log_law(q)
        bonus = jnp.exp(log_q) * finite(log_q)
        return every.mean(surprisal(every.log_law(context.truth), log_q) + self.tau * bonus)


def label(*, tau: float = 0.1, level: str = "token", **_: object) -> str:
    """Name the objective for people."""
    return f"entropy bonus per {level}, τ = {tau:g}"
