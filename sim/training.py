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
    loss_sum: Float[Array, "*K"]  # of the steps since the last evaluation [nat per string]


def start(job: Job) -> State:
    """The state before the first step, with a fresh optimiser state."""
    transformation = job.phase.optimizer.transformation(job.phase.num_steps)
    return State(job.init, transformation.init(job.init), jnp.zeros((), jnp.int32), jnp.zeros(()))


def loss(job: Job, params: Params, key: PRNGKey) -> Scalar:
    """The objective [nat per string] of one step's batch; the key is consumed."""
    phase, prompt_end = job.phase, job.phase.data.prompt_end
    anchor = Bound(job.model, job.init, prompt_end)
    context = Context(phase.data, phase.data, phase.base, anchor, phase.event, phase.loss_on, phase.whole_support)
    data_key, objective_key = jax.random.split(key)
    batch = context.draw(phase.data, data_key, phase.batch_size)
    return phase.objective(Bound(job.model, params, prompt_end), context, batch, objective_key)


def advance(job: Job, state: State, until: Int[Array, ""]) -> State:
    """The state after step `until`; a state that is there already stays as it is.

    A step whose loss is not finite is the last one: then `loss_sum` is not finite and `step` says which step it was.
    `until` is traced: one compiled program serves every interval between evaluations, and an interval cut into pieces
    gives the same bits as in one go.
    """
    transformation = job.phase.optimizer.transformation(job.phase.num_steps)

    def unfinished(state: State) -> Bool[Array, ""]:
        return (state.step < until) & jnp.isfinite(state.loss_sum)

    def step(state: State) -> State:
        key = jax.random.fold_in(job.key, state.step)
        value, grads = jax.value_and_grad(loss, argnums=1)(job, state.params, key)
        updates, opt_state = transformation.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return State(params, opt_state, state.step + 1, state.loss_sum + value.astype(state.loss_sum.dtype))

    return jax.lax.while_loop(unfinished, step, state)
