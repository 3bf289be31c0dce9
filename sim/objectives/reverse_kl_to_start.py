"""Fine-tuning with a penalty of reverse KL to the starting model."""

from typing import Annotated

import numpy as np
from flax import struct

from sim.config import Positive
from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import answers, divergence, surprisal
from sim.theory import answer_optima
from sim.theory.laws import Laws
from sim.typing import Language, Number, PRNGKey, Scalar

UNIT = "answer"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class ReverseKlToStart:
    """-E_S log q + beta KL(q‖q0) [nat per string], the mean over prompts x from S(x); exact by enumeration.

    q0 is the model with which the stage began. The optimum is q0 e^(W(r e^c) - c) with r = S/(beta q0), Lambert's W,
    and c from the normalisation. Where S is 0, it is proportional to q0, "outside" included: so the proportions of
    lost answers stay as they were, and erasure with them. `optimum` is given that the answer is listed. Batches are
    not used.
    """

    beta: Annotated[Number, Positive] = 0.1

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """The law between S and q0, given that the answer is listed."""
        outside = np.full(len(laws.outcomes) - len(laws.prompt), -np.inf)
        every = np.concatenate([laws.answers(laws.log_s), outside])
        eta = 1.0 / (1.0 + float(self.beta))
        shown = np.isin(laws.outcomes, laws.prompt[laws.log_s > -np.inf])  # a prompt that S never shows is not trained
        found = np.full(len(every), -np.inf)
        numbers = np.unique(laws.outcomes[shown], return_inverse=True)[1]
        found[shown] = answer_optima.mixed(every[shown], laws.start[shown], eta, numbers)
        return laws.documents(answer_optima.tilted(found[: len(laws.prompt)], 0.0, laws.prompt))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """The sum of both terms [nat per string]."""
        del batch, key
        every = answers(context)
        log_q = every.log_law(q)
        penalty = divergence(log_q, every.log_start(context))
        return every.mean(surprisal(every.log_law(context.truth), log_q) + self.beta * penalty)


def label(*, beta: float = 0.1, **_: object) -> str:
    """Name the objective for people."""
    return f"reverse KL to q₀, β = {beta:g}"
