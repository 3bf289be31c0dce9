"""The program of a training whose batches the host prepares: one step, and the logits of rows. Nothing is listed."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jax.sharding import NamedSharding, PartitionSpec

from sim.models._base import Bound, Model, TakesParts
from sim.objectives._context import Additive, Context, Objective
from sim.optimizers._base import Optimizer
from sim.training.given import OfBatch
from sim.training.job import ascended
from sim.training.parts import Fed, Team, value_and_gradient
from sim.training.programs import AXIS, mesh
from sim.typing import Array, Float, Int, Number, Params, PRNGKey, Scalar

CHUNK = 1 << 14
"""Number of tokens that are scored at once."""


@struct.dataclass
class Task:
    """Everything that one training depends on, but for its batches. Numbers are leaves, shapes are static.

    init: the parameters with which it begins; they are the anchor of the objective.
    """

    key: PRNGKey
    init: Params
    model: Model
    objective: Objective
    optimizer: Optimizer
    num_steps: Number


@struct.dataclass
class FedState:
    """What the next step needs, besides its batch."""

    params: Params
    opt_state: optax.OptState
    step: Int[Array, ""]
    loss_sum: Float[Array, ""]  # of the steps since the last look [nat per string]


def begin(task: Task) -> FedState:
    """Return the state before the first step."""
    opt_state = task.optimizer.transformation(task.num_steps).init(task.init)
    return FedState(task.init, opt_state, jnp.zeros((), jnp.int32), jnp.zeros(()))


def loss(task: Task, params: Params, batch: Fed, key: PRNGKey, step: Any = 0) -> Scalar:
    """Objective of a batch [nat per string], its value on this batch."""
    known, nothing = OfBatch(batch.law), OfBatch(None)
    context = Context(known, known, nothing, Bound(task.model, task.init), None, jnp.asarray(True), False, False, step)
    return task.objective(Bound(task.model, params), context, batch, key)


def loss_and_gradient(
    task: Task, params: Params, batch: Fed, key: PRNGKey, step: Any, team: Team | None
) -> tuple[Scalar, Params]:
    """Return the value and the gradient of `loss`, summed over fixed parts of the batch in a fixed order."""

    def of(params: Params, part: Fed) -> Scalar:
        return loss(task, params, part, key, step)

    rows = task.model.part_rows if isinstance(task.model, TakesParts) else None
    if rows is None or not isinstance(task.objective, Additive):
        return jax.value_and_grad(of)(params, batch)
    return value_and_gradient(of, params, batch, -(-batch.tokens.size // rows), team)


def _advance(task: Task, state: FedState, batch: Fed, number: Int[Array, "1"], size: int) -> FedState:
    team = Team(AXIS, size, jnp.asarray(True), number[0])
    key = jax.random.fold_in(task.key, state.step)
    value, gradient = loss_and_gradient(task, state.params, batch, key, state.step, team)
    radius: float = getattr(task.objective, "sharpness", 0.0)
    if radius:
        there = ascended(state.params, gradient, radius)
        gradient = loss_and_gradient(task, there, batch, key, state.step, team)[1]
    transformation = optax.with_extra_args_support(task.optimizer.transformation(task.num_steps))
    updates, opt_state = transformation.update(gradient, state.opt_state, state.params, value=value)
    params = optax.apply_updates(state.params, updates)
    return FedState(params, opt_state, state.step + 1, state.loss_sum + value.astype(state.loss_sum.dtype))


@functools.lru_cache(maxsize=4)
def _programs(size: int) -> tuple[Any, Any]:
    """The two programs for a number of devices: a step, whose groups are divided among them, and the logits of rows."""
    over, all_, each = mesh(size), PartitionSpec(), PartitionSpec(AXIS)
    step = functools.partial(_advance, size=size)
    advancing = jax.shard_map(step, mesh=over, in_specs=(all_, all_, all_, each), out_specs=all_, check_vma=False)

    def scored(model: Model, params: Params, rows: Int[Array, "C L"]) -> Float[Array, "C L V"]:
        return model.logits(params, rows)

    scoring = jax.shard_map(scored, mesh=over, in_specs=(all_, all_, each), out_specs=each, check_vma=False)
    # Without shardings, a step is compiled again for a state that comes from the host, or partly: three times in all.
    whole, split = (NamedSharding(over, spec) for spec in (all_, each))
    placed = jax.jit(advancing, in_shardings=(whole, whole, whole, split), out_shardings=whole)
    return placed, jax.jit(scoring, in_shardings=(whole, whole, split), out_shardings=split)


def advance(task: Task, state: FedState, batch: Fed) -> FedState:
    """Return the state after one more step. All devices share the batch; its bits do not depend on their number."""
    size = jax.device_count()
    found: FedState = _programs(size)[0](task, state, batch, jnp.arange(size))
    return found


def logits(model: Model, params: Params, rows: np.ndarray) -> np.ndarray:
    """Return log q(. | x_<t) up to a constant at every position of rows int[N, L]: float32[N, L, V], on the host."""
    size = jax.device_count()
    chunk = size * max(1, CHUNK // rows.shape[1] // size)
    found = []
    for first in range(0, len(rows), chunk):
        part = rows[first : first + chunk]
        filled = np.concatenate([part, part[:1].repeat(chunk - len(part), axis=0)])
        found.append(np.asarray(_programs(size)[1](model, params, jnp.asarray(filled)))[: len(part)])
    return np.concatenate(found)
