"""One pure program trains one model: `start`, then `advance` as often as you like. Nothing here knows of evaluation."""

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


def start(job: Job, carried: optax.OptState | None = None) -> State:
    """The state before the first step. The optimiser's is fresh, or `carried` on from a training of equal structure.

    Carried are moments and their step count; the schedule of the learning rate begins anew.
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
    """The objective [nat per string] of one step's batch; the key is consumed."""
    context, batch, objective_key = _drawn(job, key)
    return job.phase.objective(Bound(job.model, params, job.phase.data.prompt_end), context, batch, objective_key)


def loss_and_gradient(job: Job, params: Params, key: PRNGKey) -> tuple[Scalar, Params]:
    """The value and the gradient of `loss`, added up over parts of the batch where that is faster and means the same.

    Parts are equal in size: strings of weight 0 fill up the last one.
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
    """What the objective may look at, this step's batch and the objective's own key."""
    context, phase = context_of(job), job.phase
    data_key, objective_key = jax.random.split(key)
    return context, context.draw(phase.data, data_key, phase.batch_size), objective_key


def context_of(job: Job) -> Context:
    """What the objective of a job may look at."""
    phase = job.phase
    anchor = Bound(job.model, job.init, phase.data.prompt_end)
    return Context(phase.data, phase.data, phase.base, anchor, phase.event, phase.loss_on, phase.whole_support)


def _parts(batch: Batch, number: int) -> tuple[Int[Array, "P C L"], Float[Array, "P C"]]:
    """The batch in parts of one size: tokens and weights of each."""
    size = -(-len(batch.weight) // number)
    missing = number * size - len(batch.weight)
    tokens = jnp.concatenate([batch.tokens, batch.tokens[:1].repeat(missing, axis=0)])
    weight = jnp.concatenate([batch.weight, jnp.zeros(missing, batch.weight.dtype)])
    return tokens.reshape(number, size, -1), weight.reshape(number, size)


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
        value, grads = loss_and_gradient(job, state.params, key)
        updates, opt_state = transformation.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return State(params, opt_state, state.step + 1, state.loss_sum + value.astype(state.loss_sum.dtype))

    return jax.lax.while_loop(unfinished, step, state)
