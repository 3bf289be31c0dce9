"""What one training step asks of a device: operations, bytes, started kernels; and the time that these alone need.

The numbers are XLA's own count for the compiled step of this backend, with the whole batch in one part, as on a GPU. A
device cannot be faster than its memory and its arithmetic allow. How far a measured step is from that is the roofline.
Source: S. Williams, A. Waterman and D. Patterson, 2009, "Roofline: an insightful visual performance model".
"""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

import jax
import optax

from benchmarks.cases import Case, uniform_world
from sim.languages.device import on_device
from sim.models.transformer import transformer
from sim.objectives.sft import Sft
from sim.optimizers.adam import Adam
from sim.training.job import Job, Phase, State, loss, start


@dataclass(frozen=True)
class Ceiling:
    """The limits of a device: memory [byte/s], arithmetic [FLOP/s], and the time to start a kernel in a graph [s]."""

    memory: float
    arithmetic: float
    start: float


H200 = Ceiling(4.8e12, 67e12, 0.6e-6)
"""NVIDIA's data sheet for the H200 SXM (float32 without tensor cores). The time of a kernel is fitted to one model of
case C: a step took 175 µs there, for about 280 kernels by the count on a CPU."""


@dataclass(frozen=True)
class Demand:
    """What one step of one model needs, and how many tokens it trains on."""

    tokens: int
    operations: float
    bytes: float
    kernels: int

    def seconds(self, limits: Ceiling, num_models: int) -> dict[str, float]:
        """Least time of a step of several models in one program, by what limits it [s].

        Kernels are started once for all models. The largest of the three is a bound from below.
        """
        return {
            "memory": num_models * self.bytes / limits.memory,
            "arithmetic": num_models * self.operations / limits.arithmetic,
            "kernels": self.kernels * limits.start,
        }

    def models_per_hour(self, limits: Ceiling, num_models: int, num_steps: int) -> float:
        """Largest number of models that can be trained in an hour, `num_steps` steps each."""
        return 3600.0 * num_models / (num_steps * max(self.seconds(limits, num_models).values()))


def demand(case: Case) -> Demand:
    """Count the step of one model of a case, as XLA compiles it for this backend."""
    world = uniform_world(dataclasses.replace(case, num_models=1))
    data, model = on_device(world), transformer(world.trie, width=case.width, depth=case.depth, heads=case.heads)
    phase = Phase(data, data, None, Sft("sampled"), Adam(1e-3), 1e9, True, case.batch_size)
    job = Job(jax.random.key(0), jax.jit(model.init)(jax.random.key(0)), phase, model)
    leaves, tree = jax.tree.flatten((job, start(job)))
    compiled = jax.jit(lambda *leaves: jax.tree.leaves(_step(*tree.unflatten(leaves)))).lower(*leaves).compile()
    counted: dict[str, Any] = compiled.cost_analysis()
    kernels = len(
        re.findall(r" (?:fusion|dot|custom-call|convolution|reduce|gather|scatter)\(", _entry(compiled.as_text()))
    )
    return Demand(case.batch_size * case.length, counted["flops"], counted["bytes accessed"], kernels)


def _step(job: Job, state: State) -> State:
    transformation = job.phase.optimizer.transformation(job.phase.num_steps)
    value, grads = jax.value_and_grad(loss, argnums=1)(job, state.params, job.key)
    updates, opt_state = transformation.update(grads, state.opt_state, state.params)
    return dataclasses.replace(
        state, params=optax.apply_updates(state.params, updates), opt_state=opt_state, loss_sum=state.loss_sum + value
    )


def _entry(program: str) -> str:
    """Return the entry computation of a compiled program: what it starts one after the other."""
    return program[program.index("\nENTRY ") :]
