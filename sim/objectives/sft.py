"""Supervised fine-tuning: maximum likelihood on the SFT language."""

from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import Check, NonNegative
from sim.objectives._context import Batch, Context, cross_entropy, either, takes_exact_targets
from sim.theory.laws import Laws
from sim.typing import Array, Float, Language, Number, PRNGKey, Scalar

Step = Check("a positive whole number", lambda value: value >= 1 and float(value).is_integer())


@struct.dataclass
class Sft:
    """-E_S[log q] [nat per string]. The predicted optimum is q* = S for every S, for strings and for tokens.

    `targets: exact` uses the exact next-token law of S at each visited prefix: this is the conditional expectation of
    the sampled gradient. `targets: sampled` uses the token that was drawn. Pretraining uses the same objective on P.
    switch: after this step of a phase the targets change to the other kind, and so does the way in which strings are
    drawn, see `takes_exact_targets`; None: never.
    sharpness: the radius rho of sharpness-aware steps, see `sim.training.job.ascended`; 0: none. Where the gradient of
    the whole support is used, such a training still rests at q* = S alone, but with a constant rate it moves around it.
    """

    targets: Literal["exact", "sampled"] = struct.field(pytree_node=False, default="exact")
    sharpness: Annotated[float, NonNegative] = struct.field(pytree_node=False, default=0.0)
    switch: Annotated[Number | None, Step] = None  # [steps]

    @property
    def is_additive(self) -> Literal[True]:
        """True, because the loss is a weighted sum over strings."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray:
        """q* = S."""
        return laws.log_s

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]."""
        del key
        log_q, scored = q.next_log_probs(batch.tokens), context.loss_mask(batch.tokens)

        def exact() -> Float[Array, "*B"]:
            return cross_entropy(log_q, context.truth, batch.tokens, scored)

        def sampled() -> Float[Array, "*B"]:
            return cross_entropy(log_q, None, batch.tokens, scored)

        losses = either(takes_exact_targets(self, context.step), exact, sampled)
        return jnp.sum(batch.weight * losses)


def label(*, sharpness: float = 0.0, switch: float | None = None, **_: object) -> str:
    """Name the objective for people."""
    radius = f", sharpness-aware, ρ = {sharpness:g}" if sharpness else ""
    change = "" if switch is None else f", other targets after step {switch:g}"
    return f"SFT{radius}{change}"
