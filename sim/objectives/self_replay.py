"""Fine-tuning with replay of what the starting model says."""

from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import Fraction
from sim.objectives._context import Batch, Context, cross_entropy
from sim.objectives._enumerated import answers, prompts_of, surprisal
from sim.theory import answer_optima, optima
from sim.theory.laws import Laws
from sim.typing import Language, Number, PRNGKey, Scalar

UNIT = "both"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class SelfReplay:
    """Cross-entropy on (1 - weight) S + weight q0 for the prompts of S [nat per string].

    q0 is the model with which the stage began, and `weight` is lambda, the share of its answers. The optimum is the
    mixture, with the leak of q0 in it; `optimum` is given that the answer is listed. `targets: exact` sums over all
    outcomes and uses no batch. `sampled` scores a batch of S, and one answer of q0 to the prompt of each of its
    strings; it adds the losses with the weights 1 - lambda and lambda. The expectation of this sum is the same loss.
    """

    weight: Annotated[Number, Fraction] = 0.1
    targets: Literal["exact", "sampled"] = struct.field(pytree_node=False, default="exact")

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """(1 - lambda) S + lambda q0, given that the answer is listed."""
        listed = laws.start[: len(laws.prompt)]
        found = optima.replay(laws.answers(laws.log_s), listed, float(self.weight))
        return laws.documents(answer_optima.tilted(found, 0.0, laws.prompt))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """The cross-entropy on the mixture [nat per string]."""
        every = answers(context)
        log_q = every.log_law(q)
        if self.targets == "sampled":
            drawn = every.draw(every.log_start(context), prompts_of(context, batch.tokens), key)[0]
            log_next = q.next_log_probs(batch.tokens)
            kept = cross_entropy(log_next, None, batch.tokens, context.loss_mask(batch.tokens))
            return jnp.sum(batch.weight * ((1.0 - self.weight) * kept - self.weight * log_q[drawn]))
        own, again = (surprisal(law, log_q) for law in (every.log_law(context.truth), every.log_start(context)))
        return every.mean(jnp.asarray((1.0 - self.weight) * own + self.weight * again))


def label(*, weight: float = 0.1, targets: str = "exact", **_: object) -> str:
    """Name the objective for people."""
    return f"self-replay, λ = {weight:g}" + ("" if targets == "exact" else f", {targets} targets")
