"""One pure program that trains one model: call `start`, then `advance` any number of times. It evaluates nothing."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from sim.languages.device import Listed
from sim.models._base import Bound, Model, TakesParts
from sim.objectives._context import Additive, Batch, Context, LossOn, Objective
from sim.optimizers._base import Optimizer
from sim.typing import Array, Bool, Float, Int, Number, Params, PRNGKey, Scalar


@struct.dataclass
class Phase:
    """What is trained on, and how. Numbers are leaves, shapes are static.

    data: the language of this phase, the S of its objective; base: the pretraining language P; event: the event A over
    `base.strings`; num_steps: optimiser steps, where the schedule ends; whole_support: each step uses every string of S
    with its exact probability (the exact gradient of the population loss), not a sample of `batch_size` strings.
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
    """Everything that one training depends on. Jobs in one program may have different leaves, but one structure."""

    key: PRNGKey
    init: Params
    phase: Phase
    model: Model


@struct.dataclass
class State:
    """What the next step needs. Randomness is a function of the job's key and the step, so resuming is bit-exact."""

    params: Params
    opt_state: optax.OptState
    step: Int[Array, "*K"]  # a scalar, with a leading axis if states are stacked
    loss_sum: Float[Array, "*K"]  # of the steps since the last evaluation [nat per string]


def start(job: Job, carried: optax.OptState | None = None) -> State:
    """Return the state before the first step. The optimiser state is fresh, or `carried` over from another training.

    The moments and their step count are carried over. The schedule of the learning rate begins again. Both optimiser
    states must have the same structure.
    """
    transformation = job.phase.optimizer.transformation(job.phase.num_steps)
    opt_state = transformation.init(job.init)
    if carried is not None:
        opt_state = jax.tree.map(_fresh_schedule, opt_state, carried, is_leaf=_schedules)
    return State(job.init, opt_state, jnp.zeros((), jnp.int32), jnp.zeros(()))


def _fresh_schedule(new: Any, old: Any) -> Any:
    return new if _schedules(new) else old


def _schedules(node: object) -> bool:
    return isinstance(node, optax.ScaleByScheduleState)


def loss(job: Job, params: Params, key: PRNGKey) -> Scalar:
    """Objective of one step's batch [nat per string]. The key is used up."""
    context, batch, objective_key = _drawn(job, key)
    return job.phase.objective(Bound(job.model, params, job.phase.data.prompt_end), context, batch, objective_key)


def loss_and_gradient(job: Job, params: Params, key: PRNGKey) -> tuple[Scalar, Params]:
    """Return the value and the gradient of `loss`.

    They are summed over parts of the batch if the objective is additive and the model is faster that way. All parts
    have the same size; strings of weight 0 fill the last one.
    """
    additive = isinstance(job.phase.objective, Additive)
    rows = job.model.part_rows if additive and isinstance(job.model, TakesParts) else None
    context, batch, objective_key = _drawn(job, key)
    num_parts = 1 if rows is None else -(-batch.tokens.size // rows)
    if num_parts == 1:
        return jax.value_and_grad(loss, argnums=1)(job, params, key)

    def of(params: Params, part: Batch) -> Scalar:
        return job.phase.objective(Bound(job.model, params, job.phase.data.prompt_end), context, part, objective_key)

    def add(total: tuple[Scalar, Params], part: tuple[Array, Array]) -> tuple[tuple[Scalar, Params], None]:
        return jax.tree.map(jnp.add, total, jax.value_and_grad(of)(params, Batch(*part))), None

    nothing = jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)
    return jax.lax.scan(add, nothing, _parts(batch, num_parts))[0]


def _drawn(job: Job, key: PRNGKey) -> tuple[Context, Batch, PRNGKey]:
    """Return the context of the objective, the batch of this step, and a key for the objective."""
    context, phase = context_of(job), job.phase
    data_key, objective_key = jax.random.split(key)
    return context, context.draw(phase.data, data_key, phase.batch_size), objective_key


def context_of(job: Job) -> Context:
    """Return the context in which the objective of a job is computed."""
    phase = job.phase
    anchor = Bound(job.model, job.init, phase.data.prompt_end)
    return Context(phase.data, phase.data, phase.base, anchor, phase.event, phase.loss_on, phase.whole_support)


def _parts(batch: Batch, number: int) -> tuple[Int[Array, "P C L"], Float[Array, "P C"]]:
    """Divide a batch into parts of one size; return the tokens and the weights of the parts."""
    size = -(-len(batch.weight) // number)
    missing = number * size - len(batch.weight)
    tokens = jnp.concatenate([batch.tokens, batch.tokens[:1].repeat(missing, axis=0)])
    weight = jnp.concatenate([batch.weight, jnp.zeros(missing, batch.weight.dtype)])
    return tokens.reshape(number, size, -1), weight.reshape(number, size)


def advance(job: Job, state: State, until: Int[Array, ""]) -> State:
    """Return the state after step `until`. A state that has reached it is returned unchanged.

    Training stops after a step with a loss that is not finite. Then `loss_sum` is not finite, and `step` is the number
    of steps up to and including that one. `until` is traced, so one compiled program serves every interval between
    evaluations. An interval that is cut into pieces gives the same bits as the whole interval.
    """
    transformation = job.phase.optimizer.transformation(job.phase.num_steps)

    def unfinished(state: State) -> Bool[Array, ""]:
        return (state.step < until) & jnp.isfinite(state.loss_sum)

    def step(state: State) -> State:
        key = jax.random.fold_in(job.key, state.step)
        value, grads = loss_and_gradient(job, state.params, key)
        updates, opt_state = transformation.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return State(params, opt_state, state.step + 1, state.loss_sum + value.astype(state.loss_sum.dtype))

    return jax.lax.while_loop(unfinished, step, state)
