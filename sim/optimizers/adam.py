"""Adam and AdamW. They allow eps = 0."""

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from sim.config import Fraction, HalfOpenFraction, NonNegative, Positive
from sim.optimizers._options import averaged, clipped, in_words
from sim.optimizers._schedules import Decay, Scheduled, scheduled_rate
from sim.typing import Number


class AdamState(NamedTuple):
    """Step count, first moment m and *root* second moment sqrt(v)."""

    count: Any
    first: Any
    root_second: Any


def scale_by_adam(b1: Number, b2: Number, eps: Number) -> optax.GradientTransformation:
    """m_hat / (sqrt(v_hat) + eps), and 0 if the divisor is 0, so that eps = 0 is allowed.

    The second moment is stored as its root, r_t = hypot(sqrt(b2) r_(t-1), sqrt(1 - b2) g). Reason: forgotten strings
    have tiny gradients. Their squares underflow float32 for gradients below 1e-19, long before the gradients do.
    A parameter that never had a gradient does not move. Otherwise the numbers equal those of `optax.scale_by_adam` up
    to rounding. Source: D. Kingma and J. Ba, 2015, "Adam: a method for stochastic optimization", algorithm 1.
    """

    def init(params: optax.Params) -> AdamState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return AdamState(jnp.zeros((), jnp.int32), zeros, zeros)

    def update(
        grads: optax.Updates, state: AdamState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, AdamState]:
        del params
        count = state.count + 1
        first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.first, grads)
        root = jax.tree.map(lambda r, g: jnp.hypot(jnp.sqrt(b2) * r, jnp.sqrt(1 - b2) * g), state.root_second, grads)
        first_scale = 1 / (1 - b1**count)
        root_scale = 1 / jnp.sqrt(1 - b2**count)

        def direction(m: jax.Array, r: jax.Array) -> jax.Array:
            divisor = r * root_scale + eps
            return jnp.where(divisor > 0, m * first_scale / jnp.where(divisor > 0, divisor, 1.0), 0.0)

        return jax.tree.map(direction, first, root), AdamState(count, first, root)

    return optax.GradientTransformation(init, update)


def decay_weights(weight_decay: Number) -> optax.GradientTransformation:
    """Add weight_decay * theta to the updates. For a parameter of -inf (an impossible token) add 0: 0 * inf is nan."""

    def update(updates: optax.Updates, params: optax.Params) -> optax.Updates:
        return jax.tree.map(lambda u, p: u + weight_decay * jnp.where(p == -jnp.inf, 0.0, p), updates, params)

    return optax.stateless(update)


@struct.dataclass
class Adam(Scheduled):
    """Adam with decoupled weight decay: theta <- theta - lr_t (direction + wd theta). It is AdamW if wd > 0.

    lr_t is the scheduled learning rate, wd is `weight_decay`, and the direction comes from `scale_by_adam`. clip and
    average: see `sim.optimizers._options`. Source: D. Kingma and J. Ba, 2015; I. Loshchilov and F. Hutter,
    2019, "Decoupled weight decay regularization".
    """

    learning_rate: Annotated[Number, Positive]
    b1: Annotated[Number, HalfOpenFraction] = 0.9
    b2: Annotated[Number, HalfOpenFraction] = 0.999
    eps: Annotated[Number, NonNegative] = 1e-8
    weight_decay: Annotated[Number, NonNegative] = 0.0
    warmup: Annotated[Number, NonNegative] = 0.0  # [steps]
    final: Annotated[Number, NonNegative] = 0.0  # rate at the end of a decay, as a share of the peak
    decay: Decay = struct.field(pytree_node=False, default="constant")
    clip: Annotated[Number | None, Positive] = None  # largest global norm of a gradient
    average: Annotated[float, Fraction] = struct.field(pytree_node=False, default=0.0)  # share of the last steps

    def transformation(self, num_steps: Number) -> optax.GradientTransformation:
        """The optax chain: Adam's direction, weight decay, then the scheduled rate; the options around them."""
        return optax.chain(*self._steps(num_steps), *averaged(self.average, num_steps))

    def _steps(self, num_steps: Number) -> tuple[optax.GradientTransformation, ...]:
        """What makes a step of a gradient, without the mean at the end."""
        return (
            *clipped(self.clip),
            scale_by_adam(self.b1, self.b2, self.eps),
            decay_weights(self.weight_decay),
            optax.scale_by_learning_rate(
                lambda step: scheduled_rate(self.learning_rate, self.warmup, self.final, self.decay, step, num_steps)
            ),
        )


def label(*, weight_decay: float = 0.0, clip: float | None = None, average: float = 0.0, **_: object) -> str:
    """Name the optimiser for people."""
    return ("AdamW" if weight_decay > 0.0 else "Adam") + in_words(clip, average)
