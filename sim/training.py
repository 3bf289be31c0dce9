"""One pure program trains one model: `start`, then `advance` as often as you like. Nothing here knows of evaluation."""

import jax
import jax.numpy as jnp
import optax
from flax import struct

from sim.languages.device import Listed
from sim.models._base import Bound, Model
from sim.objectives._context import Context, LossOn, Objective
from sim.optimizers._base import Optimizer
from sim.typing import Array, Bool, Float, Int, Number, Params, PRNGKey, Scalar


@struct.dataclass
class Phase:
    """What is trained on and how; numbers are leaves, shapes are static.

    data: the language S of this phase; base: the pretraining language P; event: the event A over `base.strings`;
    num_steps: optimiser steps (the schedule's end); whole_support: each step sees every string of S with its exact
    probability (the exact gradient of the population loss) and not a sample of `batch_size` strings.
    """

    data: Listed
    base: Listed
    event: Bool[Array, "N"] | None
    objective: Objective
    optimizer: Optimizer
    num_steps: Number
    batch_size: int = struct.field(pytree_node=False)
    loss_on: LossOn = struct.field(pytree_node=False)
    whole_support: bool = struct.field(pytree_node=False, default=False)


@struct.dataclass
class Job:
    """Everything that one training depends on. Leaves may differ inside one program; structure may not."""

    key: PRNGKey
    init: Params
    phase: Phase
    model: Model


@struct.dataclass
class State:
    """What the next step needs. Randomness is a function of (job's key, step): a state can be resumed bit for bit."""

    params: Params
    opt_state: optax.OptState
    step: Int[Array, "*K"]  # a scalar; one axis more where states are stacked


def start(job: Job) -> State:
    """The state before the first step, with a fresh optimiser state."""
    transformation = job.phase.optimizer.transformation(job.phase.num_steps)
    return State(job.init, transformation.init(job.init), jnp.zeros((), jnp.int32))


def loss(job: Job, params: Params, key: PRNGKey) -> Scalar:
    """The objective [nat per string] of one step's batch; the key is consumed."""
    phase, prompt_end = job.phase, job.phase.data.prompt_end
    anchor = Bound(job.model, job.init, prompt_end)
    context = Context(phase.data, phase.data, phase.base, anchor, phase.event, phase.loss_on, phase.whole_support)
    data_key, objective_key = jax.random.split(key)
    batch = context.draw(phase.data, data_key, phase.batch_size)
    return phase.objective(Bound(job.model, params, prompt_end), context, batch, objective_key)


def advance(job: Job, state: State, num_steps: Int[Array, ""]) -> tuple[State, Float[Array, ""]]:
    """The state after `num_steps` further steps (at least 1), and the mean loss over them [nat per string].

    The number of steps is traced: one compiled program serves every interval between evaluations.
    """
    transformation = job.phase.optimizer.transformation(job.phase.num_steps)

    def step(_: Int[Array, ""], carry: tuple[State, Float[Array, ""]]) -> tuple[State, Float[Array, ""]]:
        state, total = carry
        key = jax.random.fold_in(job.key, state.step)
        value, grads = jax.value_and_grad(loss, argnums=1)(job, state.params, key)
        updates, opt_state = transformation.update(grads, state.opt_state, state.params)
        return State(optax.apply_updates(state.params, updates), opt_state, state.step + 1), total + value

    state, total = jax.lax.fori_loop(0, num_steps, step, (state, jnp.zeros(())))
    return state, total / num_steps
