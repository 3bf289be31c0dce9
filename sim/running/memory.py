"""How many runs fit into one batch: what a run needs, against what the machine has."""

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sim.training.ensemble import LOGITS_BYTES, Mapping, default_mapping
from sim.training.job import loss, start
from sim.training.simulation import Simulation, finetunings
from sim.typing import PyTree

USABLE = 0.5
"""The share of the free memory that is used: the estimate is not a measurement, and others use the machine too."""

MOST = {"cpu": 64}
MOST_ELSEWHERE = 1024
"""Most runs in a batch, whatever fits: a batch is what a killed process loses."""

STATES = 4
"""Copies of a state that exist at a time: the old and the new one, gradients and updates."""

RECORDS = 4
"""Copies of what is recorded: the evaluations, the record that stacks them, its bytes, and those of the writer."""


def runs_at_once(run: Simulation, mapping: Mapping | None = None) -> int:
    """The number of runs like this one that are trained together: at least 1, at most what the memory allows."""
    mapping = mapping or default_mapping()
    host, device = run_bytes(run, mapping)
    backend = jax.default_backend()
    free = USABLE * available_bytes()
    if backend == "cpu":  # one memory for both
        room = (free - LOGITS_BYTES) / (host + device)
    else:
        room = min(free / host, (USABLE * device_bytes() - LOGITS_BYTES) / device)
    return int(max(1, min(room, MOST.get(backend, MOST_ELSEWHERE))))


def run_bytes(run: Simulation, mapping: Mapping) -> tuple[int, int]:
    """What one run of a batch needs at most at a time: of the host's memory, and of the device's [bytes].

    The world's tables count for every run, which is right only where runs have different worlds. Activations are an
    upper bound, the sum of everything that a step computes; they count where all runs are computed at once.
    """
    nodes, edges = run.p.trie.num_nodes, len(run.p.trie.edge_node)
    phases = 1 + len(run.controls)
    evaluations = len(run.pretrain.steps) + phases * len(run.finetune.steps)
    evaluations += 0 if run.relearn is None else 2 * len(run.relearn.steps)
    host = RECORDS * 8 * evaluations * (edges + 4 * nodes)
    shape = jax.eval_shape(run.model.init, jax.random.key(0))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shape)
    one = finetunings(run, zeros)["sft"]
    device = STATES * _bytes(start(one.job)) + _bytes((one.job, one.plan))
    if mapping == "vmap":
        device += computed_bytes(jax.make_jaxpr(jax.grad(loss, argnums=1))(one.job, zeros, jax.random.key(0)))
    return host, phases * device


def computed_bytes(jaxpr: Any) -> int:
    """The sum of the sizes of all arrays that a program computes, loops counted once [bytes]."""
    inner = getattr(jaxpr, "jaxpr", jaxpr)
    total = 0
    for equation in inner.eqns:
        total += sum(_array_bytes(out.aval) for out in equation.outvars)
        for value in equation.params.values():
            if hasattr(value, "eqns") or hasattr(value, "jaxpr"):
                total += computed_bytes(value)
    return total


def available_bytes() -> int:
    """Memory of the host that can be had without swapping: what is free, or what the limit of a container leaves."""
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
    """The memory of the accelerator [bytes]; infinite where it does not say."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return float(stats.get("bytes_limit", np.inf))


def _bytes(tree: PyTree) -> int:
    return sum(_array_bytes(leaf) for leaf in jax.tree.leaves(tree))


def _array_bytes(array: Any) -> int:
    dtype = getattr(array, "dtype", np.dtype(np.float32))  # a plain number becomes one
    return int(np.prod(getattr(array, "shape", ()), dtype=np.int64)) * int(getattr(dtype, "itemsize", 8))
