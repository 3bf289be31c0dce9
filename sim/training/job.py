"""One pure program that trains one model: call `start`, then `advance` any number of times. It evaluates nothing."""

from dataclasses import replace
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax
from flax import struct

from sim.languages.device import Listed
from sim.models._base import Bound, Model, TakesParts
from sim.objectives._context import Additive, Batch, Context, Objective, takes_exact_targets
from sim.objectives._parameters import Begins
from sim.optimizers._base import Optimizer
from sim.optimizers._options import AverageState
from sim.optimizers.finch import LossState
from sim.training.parts import Team, value_and_gradient
from sim.training.watched import STEPS, Watched, watched_kl
from sim.typing import Array, Bool, Flag, Float, Int, Number, Params, PRNGKey, Scalar

Step: TypeAlias = Int[Array, ""] | int


@struct.dataclass
class Phase:
    """What is trained on, and how. Numbers are leaves, shapes are static.

    data: the language of this phase, the S of its objective; base: the pretraining language P; event: the event A over
    `base.strings`; num_steps: optimiser steps, where the schedule ends; on_document: whether the tokens of prompts are
    scored too, or only answers; whole_support: each step uses every string of S
    with its exact probability (the exact gradient of the population loss), not a sample of `batch_size` strings.
    """

    data: Listed
    base: Listed
    event: Bool[Array, "N"] | None
    objective: Objective
    optimizer: Optimizer
    num_steps: Number
    on_document: Flag  # a leaf, so that pretraining and fine-tuning can share a program
    batch_size: int = struct.field(pytree_node=False)
    whole_support: bool = struct.field(pytree_node=False, default=False)


@struct.dataclass
class Job:
    """Everything that one training depends on. Jobs in one program may have different leaves, but one structure.

    watched: a language whose KL to the model is computed after every step; the training does not depend on it.
    """

    key: PRNGKey
    init: Params
    phase: Phase
    model: Model
    watched: Watched | None = None


@struct.dataclass
class State:
    """What the next step needs. Randomness is a function of the job's key and the step, so resuming is bit-exact."""

    params: Params
    opt_state: optax.OptState
    step: Int[Array, "*K"]  # a scalar, with a leading axis if states are stacked
    loss_sum: Float[Array, "*K"]  # of the steps since the last evaluation [nat per string]
    kl: Float[Array, "*K S 3"]  # see `watched_kl`, and the squared length of the step; of step t in row t modulo S


def start(job: Job, carried: optax.OptState | None = None) -> State:
    """Return the state before the first step. The optimiser state is fresh, or `carried` over from another training.

    The moments and their step count are carried over. The schedule of the learning rate begins again, and so do a mean
    of parameters and what a rate knows of the loss. Both optimiser states must have the same structure.
    """
    fresh = _fresh(job)
    if carried is None:
        return fresh
    return replace(fresh, opt_state=jax.tree.map(_fresh_schedule, fresh.opt_state, carried, is_leaf=_schedules))


@jax.jit
def _fresh(job: Job) -> State:
    """As one program; otherwise jax would compile one for each shape of a parameter."""
    opt_state = job.phase.optimizer.transformation(job.phase.num_steps).init(job.init)
    return State(job.init, opt_state, jnp.zeros((), jnp.int32), jnp.zeros(()), jnp.zeros((_kept_steps(job), 3)))


def _kept_steps(job: Job) -> int:
    return 1 if job.watched is None else STEPS  # jax does not place arrays without elements as it returns them


def _fresh_schedule(new: Any, old: Any) -> Any:
    return new if _schedules(new) else old


def _schedules(node: object) -> bool:
    return isinstance(node, optax.ScaleByScheduleState | AverageState | LossState)


def loss(job: Job, params: Params, key: PRNGKey, step: Step = 0) -> Scalar:
    """Objective of one step's batch [nat per string]. The key is used up. `step` counts from 0."""
    context, batch, objective_key = _drawn(job, key, step)
    return job.phase.objective(Bound(job.model, params, job.phase.data.prompt_end), context, batch, objective_key)


def loss_and_gradient(
    job: Job, params: Params, key: PRNGKey, team: Team | None = None, step: Step = 0
) -> tuple[Scalar, Params]:
    """Return the value and the gradient of `loss`.

    They are summed over parts of the batch if the objective is additive and the model is faster that way. Then the
    devices of a team can share the work (`sim.training.parts`).
    """
    number = num_parts(job)
    if number == 1:
        return jax.value_and_grad(loss, argnums=1)(job, params, key, step)
    context, batch, objective_key = _drawn(job, key, step)

    def of(params: Params, part: Batch) -> Scalar:
        return job.phase.objective(Bound(job.model, params, job.phase.data.prompt_end), context, part, objective_key)

    return value_and_gradient(of, params, batch, number, team)


def ascended(params: Params, gradient: Params, radius: float) -> Params:
    """theta + radius g/‖g‖, where a sharpness-aware step takes its gradient; theta itself if g is 0.

    ‖g‖ is the Euclidean norm over all parameters. g is the gradient of the whole batch of the step, and the second
    gradient is of the same batch (so m is the batch size in the terms of the source). It does not depend on the parts
    of the batch.
    Source: P. Foret et al., 2021, "Sharpness-aware minimization for efficiently improving generalization",
    arXiv:2010.01412, equations 2 and 3. I. Watts et al. (arXiv:2605.02105) use it for pretraining.
    """
    norm = optax.tree.norm(gradient)
    scale = jnp.where(norm > 0, radius / jnp.where(norm > 0, norm, 1.0), 0.0)
    return jax.tree.map(lambda p, g: p + scale.astype(p.dtype) * g, params, gradient)


def _descent(job: Job, state: State, key: PRNGKey, team: Team | None) -> tuple[Scalar, Params]:
    """Return the loss of a step, and the gradient that it gives to the optimiser."""
    value, gradient = loss_and_gradient(job, state.params, key, team, state.step)
    radius: float = getattr(job.phase.objective, "sharpness", 0.0)
    if not radius:
        return value, gradient
    return value, loss_and_gradient(job, ascended(state.params, gradient, radius), key, team, state.step)[1]


def num_parts(job: Job) -> int:
    """Return the number of parts into which the batches of a job are divided; 1 if a batch is not divided."""
    additive = isinstance(job.phase.objective, Additive)
    rows = job.model.part_rows if additive and isinstance(job.model, TakesParts) else None
    strings, length = job.phase.data.strings.shape[-2:]
    batch_size = strings if job.phase.whole_support else job.phase.batch_size
    return 1 if rows is None else -(-batch_size * length // rows)


def _drawn(job: Job, key: PRNGKey, step: Step) -> tuple[Context, Batch, PRNGKey]:
    """Return the context of the objective, the batch of this step, and a key for the objective."""
    context, phase = context_of(job, step), job.phase
    data_key, objective_key = jax.random.split(key)
    return context, context.draw(phase.data, data_key, phase.batch_size), objective_key


def context_of(job: Job, step: Step = 0) -> Context:
    """Return the context in which the objective of a job is computed at a step, which counts from 0."""
    phase = job.phase
    anchor = Bound(job.model, job.init, phase.data.prompt_end)
    is_even = takes_exact_targets(phase.objective, step)
    on_document, whole = jnp.asarray(phase.on_document), phase.whole_support
    return Context(phase.data, phase.data, phase.base, anchor, phase.event, on_document, whole, is_even, step)


def begun(job: Job) -> Job:
    """Return a job whose objective has computed what it needs of the initial model, once. Most objectives need nothing.

    It is called outside of compiled programs. All jobs of a stage get an objective of the same structure.
    """
    if not isinstance(job.phase.objective, Begins):
        return job
    q0 = Bound(job.model, job.init, job.phase.data.prompt_end)
    return replace(job, phase=replace(job.phase, objective=job.phase.objective.begun(q0, context_of(job))))


def advance(job: Job, state: State, until: Int[Array, ""], team: Team | None = None) -> State:
    """Return the state after step `until`. A state that has reached it is returned unchanged.

    Training stops after a step with a loss that is not finite. Then `loss_sum` is not finite, and `step` is the number
    of steps up to and including that one. `until` is traced, so one compiled program serves every interval between
    evaluations. An interval that is cut into pieces gives the same bits as the whole interval.
    """
    transformation = optax.with_extra_args_support(job.phase.optimizer.transformation(job.phase.num_steps))

    def unfinished(state: State) -> Bool[Array, ""]:
        return (state.step < until) & jnp.isfinite(state.loss_sum)

    def step(state: State) -> State:
        key = jax.random.fold_in(job.key, state.step)
        value, grads = _descent(job, state, key, team)
        updates, opt_state = transformation.update(grads, state.opt_state, state.params, value=value)
        params = optax.apply_updates(state.params, updates)
        done, kl = state.step + 1, state.kl
        if job.watched is not None:
            of_step = watched_kl(job.model, params, job.watched, team)
            length = jnp.where(job.watched.plan.num_chunks > 0, optax.tree.norm(updates, squared=True), 0.0)
            kl = kl.at[done % STEPS].set(jnp.append(of_step, length))
        return State(params, opt_state, done, state.loss_sum + value.astype(state.loss_sum.dtype), kl)

    return jax.lax.while_loop(unfinished, step, state)
