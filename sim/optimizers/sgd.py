"""Stochastic gradient descent, with momentum."""

from typing import Annotated

import optax
from flax import struct

from sim.config import Fraction, HalfOpenFraction, NonNegative, Positive
from sim.optimizers._options import averaged, clipped, in_words
from sim.optimizers._schedules import Decay, Scheduled, scheduled_rate
from sim.typing import Number


@struct.dataclass
class Sgd(Scheduled):
    """theta <- theta - lr_t v_t with v_t = momentum * v_(t-1) + gradient. Momentum 0 is plain gradient descent.

    lr_t is the scheduled learning rate. clip and average: see `sim.optimizers._options`.
    """

    learning_rate: Annotated[Number, Positive]
    momentum: Annotated[Number, HalfOpenFraction] = 0.0
    warmup: Annotated[Number, NonNegative] = 0.0  # [steps]
    final: Annotated[Number, NonNegative] = 0.0  # rate at the end of a decay, as a share of the peak
    decay: Decay = struct.field(pytree_node=False, default="constant")
    clip: Annotated[Number | None, Positive] = None  # largest global norm of a gradient
    average: Annotated[float, Fraction] = struct.field(pytree_node=False, default=0.0)  # share of the last steps

    def transformation(self, num_steps: Number) -> optax.GradientTransformation:
        """The optax chain: momentum, then the scheduled rate; the options around them."""
        return optax.chain(
            *clipped(self.clip),
            optax.trace(self.momentum),
            optax.scale_by_learning_rate(
                lambda step: scheduled_rate(self.learning_rate, self.warmup, self.final, self.decay, step, num_steps)
            ),
            *averaged(self.average, num_steps),
        )


def label(*, momentum: float = 0.0, clip: float | None = None, average: float = 0.0, **_: object) -> str:
    """Name the optimiser for people."""
    return ("SGD with momentum" if momentum > 0.0 else "SGD") + in_words(clip, average)
