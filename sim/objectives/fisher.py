"""Fine-tuning with a penalty of the full Fisher information of the starting model: KL(q0‖q) to second order."""

from typing import Annotated

import jax
import jax.numpy as jnp
from flax import struct

from sim.config import Positive
from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import answers
from sim.objectives._parameters import change, parameters_of
from sim.objectives._tokens import Targets, token_loss
from sim.typing import Language, Number, PRNGKey, Scalar

UNIT = "both"
"""What its loss is about, for the atlas: the next token, a whole answer, or both: its fit is cross-entropy."""

FAMILY = "start"
"""Its kind in the atlas: a penalty for leaving the model with which the stage began."""


@struct.dataclass
class Fisher:
    """-E_S log q + (beta/2) ΔᵀFΔ [nat per string]; Δ = theta - theta0, the change of the parameters in this stage.

    F = E_S(x) E_q0(y|x) [g gᵀ], g = ∇ log q0(y|x) at theta0, is the Fisher information of q0 for the prompts of S. It
    is never formed: ΔᵀFΔ = E (gᵀΔ)², with one forward derivative along Δ over all listed answers and "outside". For
    small Δ the penalty is beta KL(q0‖q) up to terms of third order, so this is `forward_kl_to_start` there; far away it
    is another objective, and it has no optimum in closed form. Batches are used for the first term alone. `ewc` keeps
    the diagonal of F only.
    Source: J. Martens, 2014, "New insights and perspectives on the natural gradient method", arXiv:1412.1193, for F as
    the second-order term of a KL.
    """

    beta: Annotated[Number, Positive] = 0.1
    targets: Targets = struct.field(pytree_node=False, default="exact")

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]."""
        del key
        every, start = answers(context), parameters_of(context.anchor, "anchor")

        def log_law(params: object) -> jax.Array:
            return every.log_law(start.replace(params=params))  # type: ignore[attr-defined]

        origin = jax.lax.stop_gradient(start.params)
        log_q0, slope = jax.jvp(log_law, (origin,), (change(q, context),))
        curvature = every.mean(jnp.exp(log_q0) * jnp.where(log_q0 > -jnp.inf, slope, 0.0) ** 2)
        fit = token_loss(q, context, batch, self.targets, lambda log_q: -log_q)
        return jnp.asarray(fit + 0.5 * self.beta * curvature)


def label(*, beta: float = 0.1, **_: object) -> str:
    """Name the objective for people."""
    return f"full Fisher penalty, β = {beta:g}"
