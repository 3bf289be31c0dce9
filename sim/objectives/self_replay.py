"""Fine-tuning with replay of what the starting model says."""

from typing import Annotated

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import Fraction
from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import answers, surprisal
from sim.theory import answer_optima, optima
from sim.theory.laws import Laws
from sim.typing import Language, Number, PRNGKey, Scalar


@struct.dataclass
class SelfReplay:
    """Cross-entropy on (1 - weight) S + weight q0 for the prompts of S [nat per string]; exact by enumeration.

    q0 is the model with which the stage began, and `weight` is lambda, the share of its answers. The optimum is the
    mixture, with the leak of q0 in it; `optimum` is given that the answer is listed. Batches are not used.
    """

    weight: Annotated[Number, Fraction] = 0.1

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """(1 - lambda) S + lambda q0, given that the answer is listed."""
        listed = laws.start[: len(laws.prompt)]
        found = optima.replay(laws.answers(laws.log_s), listed, float(self.weight))
        return laws.documents(answer_optima.tilted(found, 0.0, laws.prompt))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """The cross-entropy on the mixture [nat per string]."""
        del batch, key
        every = answers(context)
        log_q = every.log_law(q)
        own, again = (surprisal(law, log_q) for law in (every.log_law(context.truth), every.log_start(context)))
        return every.mean(jnp.asarray((1.0 - self.weight) * own + self.weight * again))


def label(*, weight: float = 0.1, **_: object) -> str:
    """Name the objective for people."""
    return f"self-replay, λ = {weight:g}"
