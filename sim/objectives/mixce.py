"""MixCE: forward and reverse cross-entropy with the fine-tuning data, mixed."""

from typing import Annotated

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import Fraction, OpenFraction
from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import answers, surprisal
from sim.theory import answer_optima
from sim.theory.laws import Laws
from sim.typing import Language, Number, PRNGKey, Scalar

UNIT = "answer"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class Mixce:
    """-eta E_S log q - (1 - eta) E_q log S~, the mean over prompts x from S(x) [nat per string]; by enumeration.

    S~ is S smoothed by `delta`, see `sim.objectives.reverse_kl`; the reverse term is infinite otherwise. The optimum is
    eta S/(nu - (1 - eta) log S~), nu from the normalisation: sharper than S for eta < 1, because a cross-entropy lacks
    the entropy of q that a divergence has. eta = 1 is SFT; for eta = 0 no optimum is stated. Batches are not used. This
    is the exact objective; the authors' approximation for data whose law is unknown is not this one.
    Source: S. Zhang et al., 2023, "MixCE: training autoregressive language models by mixing forward and reverse
    cross-entropies", arXiv:2305.16958.
    """

    eta: Annotated[Number, Fraction] = 0.5
    delta: Annotated[Number, OpenFraction] = 1e-3

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """eta S/(nu - (1 - eta) log S~)."""
        if not self.eta:
            return None
        log_s = laws.answers(laws.log_s)
        log_smoothed, _ = answer_optima.smoothed(log_s, laws.prompt, float(self.delta))
        return laws.documents(answer_optima.crossed(log_s, log_smoothed, float(self.eta), laws.prompt))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """The weighted sum of both cross-entropies [nat per string]."""
        del batch, key
        every = answers(context)
        log_s, log_q = every.log_law(context.truth), every.log_law(q)
        reverse = -jnp.exp(log_q) * every.smoothed(log_s, self.delta)
        return every.mean(jnp.asarray(self.eta * surprisal(log_s, log_q) + (1.0 - self.eta) * reverse))


def label(*, eta: float = 0.5, delta: float = 1e-3, **_: object) -> str:
    """Name the objective for people."""
    return f"MixCE, η = {eta:g}, δ = {delta:g}"
