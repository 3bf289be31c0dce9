"""FINCH: Adam with a learning rate that follows the loss."""

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from sim.config import AtLeast, HalfOpenFraction
from sim.optimizers._options import averaged, in_words
from sim.optimizers.adam import Adam
from sim.typing import Number


class LossState(NamedTuple):
    """The number of steps of this phase that are done, the loss at the first one, and the smoothed loss."""

    count: Any
    first: Any
    smoothed: Any


def scale_by_loss(smoothing: Number, ceiling: Number) -> optax.GradientTransformationExtraArgs:
    """Multiply updates by min(ceiling, sqrt(first / smoothed)), or by `ceiling` if the smoothed loss is not positive.

    The update takes the loss of the batch as `value`. smoothed_t = smoothing * smoothed_(t-1) + (1 - smoothing) *
    loss_t, and smoothed_1 = first = loss_1.
    """

    def init(params: optax.Params) -> LossState:
        del params
        return LossState(jnp.zeros((), jnp.int32), jnp.zeros(()), jnp.zeros(()))

    def update(
        updates: optax.Updates, state: LossState, params: optax.Params | None = None, *, value: jax.Array, **_: Any
    ) -> tuple[optax.Updates, LossState]:
        del params
        is_first = state.count == 0
        first = jnp.where(is_first, value, state.first).astype(state.first.dtype)
        mixed = smoothing * state.smoothed + (1 - smoothing) * value
        smoothed = jnp.where(is_first, value, mixed).astype(state.smoothed.dtype)
        ratio = first / jnp.where(smoothed > 0, smoothed, 1.0)
        factor = jnp.where(smoothed > 0, jnp.minimum(ceiling, jnp.sqrt(ratio)), ceiling)
        scaled = jax.tree.map(lambda u: (u * factor).astype(u.dtype), updates)
        return scaled, LossState(state.count + 1, first, smoothed)

    return optax.GradientTransformationExtraArgs(init, update)


@struct.dataclass
class Finch(Adam):
    """Adam with the rate lr_t min(ceiling, sqrt(L_1 / L_t)): small where the smoothed loss L_t is large.

    lr_t is the scheduled learning rate. With a constant one, lr sqrt(L) stays what it is at the first step. The loss of
    a batch is the objective itself [nat per string]. So for cross-entropy it is H(S) at the optimum, not 0, and the
    rate ends near lr sqrt(L_1 / H(S)). The bound below holds for it too, because ‖∇L‖² <= 2 beta (L - min L) <= 2 beta
    L for a loss with smoothness beta that is not negative.
    The source's abstract says that forgetting per step is bounded by the rate times the square root of the loss, and
    that the rate falls on high-loss batches and grows as the model converges. The form kappa / sqrt(L), the smoothing
    of 0.9 and a largest rate are as summaries of the paper report them. Its text was not available: kappa = lr
    sqrt(L_1), and the ceiling as a multiple of lr, are choices of this project.
    Source: P. Prashant et al., 2026, "Fine-tuning without forgetting via loss-adaptive learning rates",
    arXiv:2605.20005.
    """

    smoothing: Annotated[Number, HalfOpenFraction] = 0.9
    ceiling: Annotated[Number, AtLeast(1)] = 5.0

    def transformation(self, num_steps: Number) -> optax.GradientTransformation:
        """The optax chain of Adam, with the factor of the loss after the scheduled rate."""
        return optax.chain(
            *self._steps(num_steps),
            scale_by_loss(self.smoothing, self.ceiling),
            *averaged(self.average, num_steps),
        )


def label(*, clip: float | None = None, average: float = 0.0, **_: object) -> str:
    """Name the optimiser for people."""
    return "FINCH" + in_words(clip, average)
