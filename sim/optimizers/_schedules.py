"""Learning-rate schedules as functions of traced numbers, so that their values may differ inside one program."""

import dataclasses
from typing import Any, Literal, TypeAlias

import jax.numpy as jnp

from sim.typing import Array, Float, Int, Number

Decay: TypeAlias = Literal["constant", "linear", "cosine"]


def scheduled_rate(
    peak: Number, warmup: Number, final: Number, decay: Decay, step: Int[Array, ""], num_steps: Number
) -> Float[Array, ""]:
    """Learning rate at a step: linear warm-up over `warmup` steps, then decay to `final * peak` at `num_steps`.

    `step` counts from 0, so the first update of a warm-up over w steps uses peak / w. With decay "constant" the rate
    stays at its peak after the warm-up, and `final` is not used.
    """
    count = jnp.asarray(step, jnp.result_type(float))
    rise = jnp.minimum((count + 1.0) / jnp.maximum(warmup, 1.0), 1.0)
    done = jnp.minimum(jnp.maximum(count - warmup, 0.0) / jnp.maximum(num_steps - warmup, 1.0), 1.0)
    if decay == "constant":
        return jnp.asarray(peak * rise)
    left = 1.0 - done if decay == "linear" else 0.5 * (1.0 + jnp.cos(jnp.pi * done))
    return jnp.asarray(peak * rise * (final + (1.0 - final) * left))


class Scheduled:
    """An optimiser whose rate is `scheduled_rate`, with the fields `decay` and `final`."""

    decay: Decay
    final: Number

    def in_common_form(self) -> Any:
        """Return the same optimiser; a constant rate is one that decays to all of its peak, so to the same number.

        So it can share a program with optimisers whose rate does decay.
        """
        if self.decay != "constant":
            return self
        return dataclasses.replace(self, decay="cosine", final=1.0)  # type: ignore[type-var]
