"""Reverse KL to the fine-tuning data, which are smoothed, because it is infinite otherwise."""

from typing import Annotated

import numpy as np
from flax import struct

from sim.config import OpenFraction
from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import answers, divergence
from sim.theory import answer_optima as theory
from sim.theory.laws import Laws
from sim.typing import Language, Number, PRNGKey, Scalar

UNIT = "answer"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class ReverseKl:
    """E_S(x) KL(q(.|x) ‖ S~(.|x)) [nat per string], exact by enumeration of all listed answers; batches are not used.

    S~ = (1 - delta) S + delta U, where U is uniform over the n_x listed answers to x and "outside" (everything else).
    The optimum is S~ and not S: its mass outside is delta/(n_x + 1). `optimum` is S~ given that the answer is listed,
    which is the optimum of a model that cannot leave the list. A model that cannot express S~ seeks modes: it gives up
    answers of S before it writes what S lacks. If whole documents are scored, there is one prompt, the empty one.
    Source: T. Minka, 2005, "Divergence measures and message passing", for the two directions of KL.
    """

    delta: Annotated[Number, OpenFraction] = 1e-3

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """S~ given that the answer is listed."""
        log_smoothed, _ = theory.smoothed(laws.answers(laws.log_s), laws.prompt, float(self.delta))
        return laws.documents(theory.tilted(log_smoothed, 0.0, laws.prompt))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """The divergence of `q` [nat per string]."""
        del batch, key
        every = answers(context)
        target = every.smoothed(every.log_law(context.truth), self.delta)
        return every.mean(divergence(every.log_law(q), target))


def label(*, delta: float = 1e-3, **_: object) -> str:
    """Name the objective for people."""
    return f"reverse KL, δ = {delta:g}"
