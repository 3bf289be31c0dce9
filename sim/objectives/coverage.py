"""Direct coverage optimisation: the probability that N samples contain the answer."""

from typing import Annotated

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import AtLeast
from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import answers
from sim.theory import answer_optima
from sim.theory.laws import Laws
from sim.typing import Language, PRNGKey, Scalar

SURE = -1e-6
"""Largest log q(y|x) [nat] that has a gradient; beyond it, the loss of an answer is below 1e-6 for N >= 2."""

UNIT = "answer"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class Coverage:
    """-E_S log(1 - (1 - q(y|x))^N) [nat per string]: N samples should contain the answer; exact by enumeration.

    At the optimum S is proportional to (1 - (1 - q)^N)/(1 - q)^(N - 1). So probability is taken from answers that N
    samples contain anyway, and given to rare ones: the law is flatter than S. An answer with q far above 1/N is hardly
    trained at all. Batches are not used.
    Source: F. Chen et al., 2025, "Rethinking fine-tuning when scaling test-time compute: limiting confidence improves
    mathematical reasoning", arXiv:2502.07154, where this is direct coverage optimisation (DCO).
    """

    samples: Annotated[int, AtLeast(1)] = struct.field(pytree_node=False, default=16)

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """The law that N samples cover best."""
        return laws.documents(answer_optima.covering(laws.answers(laws.log_s), self.samples, laws.prompt))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """The loss of all answers [nat per string]."""
        del batch, key
        every = answers(context)
        s, log_q = jnp.exp(every.log_law(context.truth)), every.log_law(q)
        if self.samples > 1:
            log_rest = jnp.log(-jnp.expm1(jnp.minimum(log_q, SURE)))
            log_q = jnp.log(-jnp.expm1(self.samples * log_rest))
        return every.mean(jnp.where(s > 0, s * -jnp.where(s > 0, log_q, 0.0), 0.0))


def label(*, samples: int = 16, **_: object) -> str:
    """Name the objective for people."""
    return f"direct coverage, N = {samples}"
