"""The Jensen-Shannon divergence of the model and the fine-tuning data."""

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import answers
from sim.theory.laws import Laws
from sim.typing import Array, Float, Language, PRNGKey, Scalar

UNIT = "answer"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class JensenShannon:
    """E_S(x) [KL(S‖M)/2 + KL(q‖M)/2], M = (S + q)/2 [nat per string], exact by enumeration; batches are not used.

    It lies between 0 and log 2, so it needs no smoothing. Mass outside the listed answers counts log(2)/2 times itself.
    The optimum is S.
    Source: J. Lin, 1991, "Divergence measures based on the Shannon entropy", equation 4.1 with weights 1/2.
    """

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """q* = S."""
        return laws.log_s

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """The divergence of `q` [nat per string]."""
        del batch, key
        every = answers(context)
        return every.mean(_terms(every.log_law(context.truth), every.log_law(q)))


def _terms(log_s: Float[Array, "K"], log_q: Float[Array, "K"]) -> Float[Array, "K"]:
    """The terms of the two sums at every outcome. Where one law is 0, the other one adds log(2)/2 times itself."""
    s, q = jnp.exp(log_s), jnp.exp(log_q)
    both = (s > 0) & (q > 0)
    log_m = jnp.log(jnp.where(both, 0.5 * (s + q), 1.0))
    shared = s * (jnp.where(both, log_s, 0.0) - log_m) + q * (jnp.where(both, log_q, 0.0) - log_m)
    return 0.5 * jnp.where(both, shared, (s + q) * jnp.log(2.0))


def label(**_: object) -> str:
    """Name the objective for people."""
    return "Jensen–Shannon divergence"
