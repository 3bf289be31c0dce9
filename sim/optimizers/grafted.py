"""Momentum with the length of Adam's steps: Adam without its division of each coordinate."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from sim.optimizers._options import averaged, clipped, in_words
from sim.optimizers._schedules import scheduled_rate
from sim.optimizers.adam import Adam, decay_weights, scale_by_adam
from sim.typing import Number


def scale_by_graft(b1: Number, b2: Number, eps: Number) -> optax.GradientTransformation:
    """‖u‖ m/‖m‖, where u is Adam's direction on the same gradients and m its first moment; 0 where m is 0.

    Norms are Euclidean, over all parameters together.
    """
    adam = scale_by_adam(b1, b2, eps)

    def update(grads: optax.Updates, state: Any, params: optax.Params | None = None) -> tuple[optax.Updates, Any]:
        direction, state = adam.update(grads, state, params)
        length, norm = optax.tree.norm(direction), optax.tree.norm(state.first)
        scale = jnp.where(norm > 0, length / jnp.where(norm > 0, norm, 1.0), 0.0)
        return jax.tree.map(lambda m: m * scale.astype(m.dtype), state.first), state

    return optax.GradientTransformation(adam.init, update)


@struct.dataclass
class Grafted(Adam):
    """Steps as long as Adam's, along the momentum: theta <- theta - lr_t (‖u_t‖ m_t/‖m_t‖ + wd theta).

    u_t is Adam's direction and m_t its first moment, both of this training's own gradients. So a step is as long as
    Adam would make it, but no coordinate is divided by the size of its own gradients. It tells two causes apart: the
    length of the steps, and Adam's division. The other arguments are those of `Adam`.
    Source: N. Agarwal et al., 2020, "Disentangling adaptive gradient methods from learning rates", arXiv:2002.11803:
    the magnitude of one method with the direction of another ("grafting"), here over all parameters together.
    """

    def transformation(self, num_steps: Number) -> optax.GradientTransformation:
        """The optax chain: the grafted direction, then the scheduled rate; the options around them."""
        return optax.chain(
            *clipped(self.clip),
            scale_by_graft(self.b1, self.b2, self.eps),
            decay_weights(self.weight_decay),
            optax.scale_by_learning_rate(
                lambda step: scheduled_rate(self.learning_rate, self.warmup, self.final, self.decay, step, num_steps)
            ),
            *averaged(self.average, num_steps),
        )


def label(*, clip: float | None = None, average: float = 0.0, **_: object) -> str:
    """Name the optimiser for people."""
    return "momentum, steps as long as Adam's" + in_words(clip, average)
