"""Many trainings, few programs: jobs of equal structure are stacked and run together; the host looks in between."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, PartitionSpec

from sim.languages.trie import Trie
from sim.probes.node_record import node_record
from sim.probes.trie_logits import TriePlan, trie_logits
from sim.training import Job, State, advance, start
from sim.typing import Params, PyTree

Mapping: TypeAlias = Literal["shards", "vmap", "loop"]


@dataclass
class Trained:
    """One finished training: recorded arrays at every evaluation, and the final parameters."""

    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)  # mean loss since the evaluation before [nat per string]
    evaluations: list[dict[str, np.ndarray]] = field(default_factory=list)  # see `node_record`
    params: Params = None


def structure(tree: PyTree) -> Hashable:
    """Equal structures can be stacked into one program: same tree, same shapes, same types."""
    leaves, treedef = jax.tree.flatten(tree)
    return treedef, tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)


def evaluation_steps(num_steps: int, num_evals: int, spacing: Literal["linear", "log"]) -> list[int]:
    """Steps at which a training is evaluated: 0, then `num_evals` steps that end with `num_steps`, without repeats."""
    if spacing == "log":
        marks = np.geomspace(num_steps, 1, num_evals)  # from the end: a single evaluation is the last
    else:
        marks = np.linspace(num_steps / num_evals, num_steps, num_evals)
    return sorted({0, *np.round(marks).astype(int).tolist(), num_steps})


def default_mapping() -> Mapping:
    """How an ensemble is mapped on this backend: over virtual devices on a CPU, one batched program elsewhere."""
    if jax.default_backend() != "cpu":
        return "vmap"
    return "shards" if jax.local_device_count() > 1 else "loop"


def _stack(trees: Sequence[PyTree]) -> tuple[list[Any], list[Any], Callable[[list[Any], list[Any]], PyTree]]:
    """Leaves common to all trees (the same object), stacked leaves of the others, and how to put a tree together."""
    flat = [jax.tree.leaves(tree) for tree in trees]
    treedef = jax.tree.structure(trees[0])
    common = [all(leaves[i] is flat[0][i] for leaves in flat) for i in range(len(flat[0]))]
    shared = [leaf for leaf, same in zip(flat[0], common, strict=True) if same]
    own = [jnp.stack([leaves[i] for leaves in flat]) for i, same in enumerate(common) if not same]

    def join(shared: list[Any], own: list[Any]) -> PyTree:
        one, other = iter(shared), iter(own)
        return jax.tree.unflatten(treedef, [next(one) if same else next(other) for same in common])

    return shared, own, join


def _map(body: Callable[[Any], Any], mapping: Mapping) -> Callable[[Any], Any]:
    """`body` over the leading axis."""
    if mapping == "vmap":
        return jax.vmap(body)
    return partial(jax.lax.map, body)


def _program(join: Callable[[list[Any], list[Any]], PyTree], mapping: Mapping) -> Callable[..., Any]:
    """The compiled step of an ensemble: (shared leaves, stacked leaves, stacked states, steps) -> states, losses."""

    def many(shared: list[Any], own: list[Any], states: State, num_steps: jax.Array) -> tuple[State, jax.Array]:
        def one(at: tuple[list[Any], State]) -> tuple[State, jax.Array]:
            return advance(join(shared, at[0]), at[1], num_steps)

        return _map(one, mapping)((own, states))

    if mapping != "shards":
        return jax.jit(many)
    mesh = jax.make_mesh((jax.local_device_count(),), ("ensemble",), axis_types=(AxisType.Auto,))
    each, all_ = PartitionSpec("ensemble"), PartitionSpec()
    return jax.jit(
        jax.shard_map(many, mesh=mesh, in_specs=(all_, each, each, all_), out_specs=(each, each), check_vma=False)
    )


Observer: TypeAlias = Callable[[int, Sequence[Trained]], None]
"""Called after every evaluation with the step and what has been recorded so far of every job."""


def train_many(
    jobs: Sequence[Job],
    trie: Trie,
    plan: TriePlan,
    steps: Sequence[int],
    observe: Observer = lambda step, trained: None,
    mapping: Mapping | None = None,
) -> list[Trained]:
    """Train jobs of one structure in one program and record each at the given steps (the first may be 0).

    Raises ValueError if structures differ, FloatingPointError (naming the interval) if a training diverges.
    """
    if len({structure(job) for job in jobs}) != 1:
        raise ValueError(f"jobs: one structure is required, found {len({structure(job) for job in jobs})}")
    mapping = mapping or (default_mapping() if len(jobs) > 1 else "loop")
    padded = list(jobs) + [jobs[-1]] * (-len(jobs) % (jax.local_device_count() if mapping == "shards" else 1))
    shared, own, join = _stack(padded)
    program = _program(join, mapping)
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[start(job) for job in padded])
    trained = [Trained() for _ in jobs]
    done, losses = 0, np.full(len(padded), np.nan)
    for step in steps:
        if step > done:
            states, losses = program(shared, own, states, jnp.int32(step - done))
        for index, (job, one) in enumerate(zip(jobs, trained, strict=True)):
            one.params = jax.tree.map(lambda leaf, index=index: leaf[index], states.params)
            _record(one, job, trie, plan, step, float(losses[index]), done)
        done = step
        observe(step, trained)
    return trained


def _record(one: Trained, job: Job, trie: Trie, plan: TriePlan, step: int, mean_loss: float, before: int) -> None:
    try:
        arrays = node_record(np.asarray(trie_logits(job.model, one.params, plan)), trie)
    except FloatingPointError as problem:
        raise FloatingPointError(f"between steps {before} and {step}: {problem}; lower the learning rate") from None
    one.steps.append(step)
    one.losses.append(mean_loss)
    one.evaluations.append(arrays)
