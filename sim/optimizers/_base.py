"""What training asks of an optimiser."""

from typing import Protocol, runtime_checkable

import optax

from sim.typing import Number


@runtime_checkable
class Optimizer(Protocol):
    """A pytree of numbers that becomes an optax transformation inside the compiled program."""

    def transformation(self, num_steps: Number) -> optax.GradientTransformation:
        """The update rule of a training of `num_steps` steps (the schedule's end)."""
        ...
