"""Gradient descent at a constant rate."""

import optax
from flax import struct

from sim.typing import Number


@struct.dataclass
class Plain:
    """theta <- theta - lr * gradient."""

    learning_rate: Number = 0.5

    def transformation(self, num_steps: Number) -> optax.GradientTransformation:
        """The optax transformation."""
        del num_steps
        return optax.scale_by_learning_rate(self.learning_rate)
