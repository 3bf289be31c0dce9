"""Options of every optimiser here: a largest norm of gradients, and the mean of the last parameters."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from sim.typing import Number


class AverageState(NamedTuple):
    """The number of steps of this phase that are done, and the mean of the parameters so far."""

    count: Any
    mean: Any


def clipped(clip: Number | None) -> tuple[optax.GradientTransformation, ...]:
    """Scale the gradient to the norm `clip` if its Euclidean norm over all parameters is larger; None: do nothing.

    It comes first in a chain. Without it a program has no further step. A limit that is never reached changes no bit.
    Source: R. Pascanu et al., 2013, "On the difficulty of training recurrent neural networks".
    """
    return () if clip is None else (optax.clip_by_global_norm(clip),)


def averaged(share: float, num_steps: Number) -> tuple[optax.GradientTransformation, ...]:
    """Turn the parameters into a mean at step `num_steps`; a share of 0: do nothing.

    The mean is over the parameters after each of the last round(share * num_steps) steps, and at least one. Until then
    the training is the same as without it. It comes last in a chain, because it needs the whole change of a step. It is
    computed as a running mean in the precision of the parameters. A parameter of -inf (an impossible token) stays -inf.
    Source: B. Polyak and A. Juditsky, 1992, "Acceleration of stochastic approximation by averaging"; P. Izmailov et
    al., 2018, "Averaging weights leads to wider optima and better generalization".
    """
    if not share:
        return ()

    def init(params: optax.Params) -> AverageState:
        return AverageState(jnp.zeros((), jnp.int32), jax.tree.map(jnp.asarray, params))

    def update(
        updates: optax.Updates, state: AverageState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, AverageState]:
        count = state.count + 1
        place = count - num_steps + jnp.maximum(jnp.round(share * num_steps), 1.0)  # 1 for the first averaged step

        def followed(mean: jax.Array, now: jax.Array) -> jax.Array:
            begins = (place <= 1.0) | jnp.isneginf(now)
            return jnp.where(begins, now, mean + (now - mean) / jnp.maximum(place, 1.0))

        def closed(change: jax.Array, mean: jax.Array, before: jax.Array) -> jax.Array:
            return jnp.where((count == num_steps) & ~jnp.isneginf(before), mean - before, change)

        mean = jax.tree.map(followed, state.mean, optax.apply_updates(params, updates))
        return jax.tree.map(closed, updates, mean, params), AverageState(count, mean)

    return (optax.GradientTransformation(init, update),)


def in_words(clip: Number | None, average: float) -> str:
    """Describe the options that are used, to follow the name of an optimiser."""
    limit = "" if clip is None else f", gradients up to norm {clip:g}"
    return limit + (f", mean of the last {average:.0%}" if average else "")
