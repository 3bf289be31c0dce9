"""The protocol that every optimiser satisfies."""

from typing import Protocol, runtime_checkable

import optax

from sim.typing import Number


@runtime_checkable
class Optimizer(Protocol):
    """A pytree of numbers that becomes an optax transformation inside the compiled program."""

    def transformation(self, num_steps: Number) -> optax.GradientTransformation:
        """Return the update rule for a training of `num_steps` steps, where the schedule ends."""
        ...
