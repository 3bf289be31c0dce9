"""A mixture of forward KL and smoothed reverse KL to the fine-tuning data."""

from typing import Annotated

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import Fraction, OpenFraction
from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import answers, divergence
from sim.theory import answer_optima as theory
from sim.theory.laws import Laws
from sim.typing import Language, Number, PRNGKey, Scalar

UNIT = "answer"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class MixedKl:
    """eta KL(S‖q) + (1 - eta) KL(q‖S~), the mean over prompts x from S(x) [nat per string]; exact by enumeration.

    S~ is S smoothed by `delta`, see `sim.objectives.reverse_kl`. eta = 1 is SFT, and eta = 0 is the reverse KL. Batches
    are not used. The optimum lies between S and S~: log(q/S~) - eta/(1 - eta) S/q is the same for all answers to x, see
    `sim.theory.answer_optima.mixed`. `optimum` is that of a model that cannot leave the list of answers.
    """

    eta: Annotated[Number, Fraction] = 0.5
    delta: Annotated[Number, OpenFraction] = 1e-3

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """The law between S and S~."""
        log_s = laws.answers(laws.log_s)
        log_smoothed, _ = theory.smoothed(log_s, laws.prompt, float(self.delta))
        return laws.documents(theory.mixed(log_s, log_smoothed, float(self.eta), laws.prompt))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """The weighted sum of both divergences [nat per string]."""
        del batch, key
        every = answers(context)
        log_s, log_q = every.log_law(context.truth), every.log_law(q)
        forward, reverse = divergence(log_s, log_q), divergence(log_q, every.smoothed(log_s, self.delta))
        return jnp.asarray(self.eta * every.mean(forward) + (1.0 - self.eta) * every.mean(reverse))


def label(*, eta: float = 0.5, delta: float = 1e-3, **_: object) -> str:
    """Name the objective for people."""
    return f"mixed KL, η = {eta:g}, δ = {delta:g}"
