"""How many runs can be trained together: the memory that a run needs, compared with what the machine has."""

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sim.training.ensemble import LOGITS_BYTES, default_mapping
from sim.training.job import loss, start
from sim.training.programs import Mapping
from sim.training.simulation import Simulation, finetunings, later_trainings
from sim.training.sweep import Training
from sim.typing import PyTree

USABLE = 0.5
"""Share of the free memory that is used. The need is only estimated, and other programs use the machine too."""

MOST = {"cpu": 64}
MOST_ELSEWHERE = 1024
"""Largest number of runs in a cohort even if more would fit, because a killed process loses a whole cohort."""

STATES = 4
"""Copies of a state that exist at the same time: the old and the new one, the gradients and the updates."""

RECORDS = 4
"""Copies of the recorded arrays: the evaluations, the record that stacks them, its bytes, and the writer's copy."""


def runs_at_once(run: Simulation, mapping: Mapping | None = None) -> int:
    """Return how many runs like this one are trained together: as many as the memory allows, but at least 1."""
    mapping = mapping or default_mapping()
    host, device = run_bytes(run, mapping)
    backend = jax.default_backend()
    free = USABLE * available_bytes()
    if backend == "cpu":  # host and device share one memory
        room = (free - LOGITS_BYTES) / (host + device)
    else:
        room = min(free / host, (USABLE * device_bytes() - LOGITS_BYTES) / device)
    return int(max(1, min(room, MOST.get(backend, MOST_ELSEWHERE))))


def run_bytes(run: Simulation, mapping: Mapping) -> tuple[int, int]:
    """Return the largest need of one run of a cohort: memory of the host, and memory of the device [bytes].

    The tables of the world count for every run. This is too much if runs share a world. Activations are bounded from
    above by the sum of everything that a step computes. They count only if all runs are computed at once (vmap).
    """
    nodes, edges = run.p.trie.num_nodes, len(run.p.trie.edge_node)
    phases = 1 + len(run.controls) + run.siblings
    evaluations = len(run.pretrain.steps) + phases * len(run.finetune.steps)
    evaluations += 0 if run.relearn is None else 2 * len(run.relearn.steps)
    in_stage = 1 + ("identity" in run.controls)
    evaluations += in_stage * sum(len(stage.recipe.steps) for stage in run.later)
    trainings = 1 + phases + in_stage * len(run.later) + (0 if run.relearn is None else 2)
    ends = 2 * trainings if run.laws_only else evaluations
    ends, evaluations = ends + len(run.edits), evaluations + len(run.edits)
    laws = run.p.trie.num_strings + 6 * run.p.prompts.num_groups if run.laws_only else 0
    host = RECORDS * 8 * (ends * (edges + 4 * nodes) + evaluations * laws)
    shape = jax.eval_shape(run.model.init, jax.random.key(0))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shape)
    device = phases * _device_bytes(finetunings(run, zeros)["sft"], zeros, mapping)
    for stage in run.later:  # one stage is on the device at a time
        one = later_trainings(run, stage, zeros)[stage.name]
        device = max(device, in_stage * _device_bytes(one, zeros, mapping))
    return host, device + len(run.edits) * _bytes(shape)


def _device_bytes(one: Training, zeros: PyTree, mapping: Mapping) -> int:
    """Return the need of one training [bytes]. `zeros` are parameters of its shapes."""
    need = STATES * _bytes(start(one.job)) + _bytes((one.job, one.plan))
    if mapping == "vmap":
        need += computed_bytes(jax.make_jaxpr(jax.grad(loss, argnums=1))(one.job, zeros, jax.random.key(0)))
    return need


def computed_bytes(jaxpr: Any) -> int:
    """Return the total size of all arrays that a program computes; a loop counts once [bytes]."""
    inner = getattr(jaxpr, "jaxpr", jaxpr)
    total = 0
    for equation in inner.eqns:
        total += sum(_array_bytes(out.aval) for out in equation.outvars)
        for value in equation.params.values():
            if hasattr(value, "eqns") or hasattr(value, "jaxpr"):
                total += computed_bytes(value)
    return total


def available_bytes() -> int:
    """Return the host memory that is available without swapping, within the limit of the container if any [bytes]."""
    free = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        free = [int(lines["MemAvailable"].split()[0]) * 1024]
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and limit.read_text().strip() != "max":
        free.append(int(limit.read_text()) - int(used.read_text()))
    return max(0, min(free))


def device_bytes() -> float:
    """Return the memory of the accelerator [bytes]; infinity if the accelerator does not report it."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return float(stats.get("bytes_limit", np.inf))


def _bytes(tree: PyTree) -> int:
    return sum(_array_bytes(leaf) for leaf in jax.tree.leaves(tree))


def _array_bytes(array: Any) -> int:
    dtype = getattr(array, "dtype", np.dtype(np.float32))  # a plain number becomes float32
    return int(np.prod(getattr(array, "shape", ()), dtype=np.int64)) * int(getattr(dtype, "itemsize", 8))
