"""Adam, and at the end the exponential moving average of the parameters in the place of the last ones."""

from typing import Annotated

import jax
import jax.numpy as jnp
import optax
from flax import struct

from sim.config import HalfOpenFraction, NonNegative, Positive
from sim.optimizers._options import AverageState, in_words
from sim.optimizers._schedules import Decay, Scheduled
from sim.optimizers.adam import Adam
from sim.typing import Number


def followed(memory: Number, num_steps: Number) -> optax.GradientTransformation:
    """Turn the parameters into their exponential moving average at step `num_steps`; until then change nothing.

    The average is e_0 = theta_0, where the stage begins, and e_t = memory e_(t-1) + (1 - memory) theta_t. It comes last
    in a chain, because it needs the whole change of a step. A parameter of -inf (an impossible token) stays -inf.
    """

    def init(params: optax.Params) -> AverageState:
        return AverageState(jnp.zeros((), jnp.int32), jax.tree.map(jnp.asarray, params))

    def update(
        updates: optax.Updates, state: AverageState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, AverageState]:
        count = state.count + 1

        def mixed(mean: jax.Array, now: jax.Array) -> jax.Array:
            return jnp.where(jnp.isneginf(now), now, mean + ((1 - memory) * (now - mean)).astype(mean.dtype))

        def closed(change: jax.Array, mean: jax.Array, before: jax.Array) -> jax.Array:
            return jnp.where((count == num_steps) & ~jnp.isneginf(before), mean - before, change)

        mean = jax.tree.map(mixed, state.mean, optax.apply_updates(params, updates))
        return jax.tree.map(closed, updates, mean, params), AverageState(count, mean)

    return optax.GradientTransformation(init, update)


@struct.dataclass
class Ema(Scheduled):
    """`Adam`, whose last parameters are memory^T theta_0 + (1 - memory) sum_t memory^(T - t) theta_t after T steps.

    theta_t are the parameters that Adam has after step t, so all of the path but its end is that of Adam. The average
    begins at the starting model, as public programs do it: a long memory keeps some of it. `Adam` with `average` is the
    plain mean of the last steps instead. The other arguments are those of `Adam`.
    Source: B. Polyak and A. Juditsky, 1992, "Acceleration of stochastic approximation by averaging", for averages of
    parameters; the recursion as in PyTorch's `get_ema_avg_fn`.
    """

    learning_rate: Annotated[Number, Positive]
    memory: Annotated[Number, HalfOpenFraction] = 0.99
    b1: Annotated[Number, HalfOpenFraction] = 0.9
    b2: Annotated[Number, HalfOpenFraction] = 0.999
    eps: Annotated[Number, NonNegative] = 1e-8
    weight_decay: Annotated[Number, NonNegative] = 0.0
    warmup: Annotated[Number, NonNegative] = 0.0  # [steps]
    final: Annotated[Number, NonNegative] = 0.0  # rate at the end of a decay, as a share of the peak
    decay: Decay = struct.field(pytree_node=False, default="constant")
    clip: Annotated[Number | None, Positive] = None  # largest global norm of a gradient

    def transformation(self, num_steps: Number) -> optax.GradientTransformation:
        """The optax chain of Adam, with the moving average at the end."""
        own = (self.learning_rate, self.b1, self.b2, self.eps, self.weight_decay, self.warmup, self.final, self.decay)
        return optax.chain(Adam(*own, self.clip).transformation(num_steps), followed(self.memory, num_steps))


def label(*, memory: float = 0.99, clip: float | None = None, **_: object) -> str:
    """Name the optimiser for people."""
    return f"Adam, moving average of parameters with memory {memory:g}" + in_words(clip, 0.0)
