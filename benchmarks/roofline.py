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
import jax.numpy as jnp
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
    compiled = _compiled(case, 1)
    counted: dict[str, Any] = compiled.cost_analysis()
    kernels = len(
        re.findall(r" (?:fusion|dot|custom-call|convolution|reduce|gather|scatter)\(", _entry(compiled.as_text()))
    )
    return Demand(case.batch_size * case.length, counted["flops"], counted["bytes accessed"], kernels)


def products(case: Case, num_models: int) -> int:
    """Return the number of matrix products in the compiled step of several models in one program.

    A batch of products of equal shape, such as those of all heads or of all models, counts once. On a GPU, XLA leaves
    some products to cuBLAS.
    """
    return len(re.findall(r" dot\(|custom_call_target=\"__cublas", _compiled(case, num_models).as_text()))


def fused_demand(case: Case, rows: int) -> Demand:
    """What the step needs if the blocks are the kernels of `fused.py`, with tiles of `rows` tokens.

    It is XLA's count for a model without blocks, plus closed forms for each block. Let N tokens have width d, and let
    there be W = 12 d^2 + 7 d parameters and K tiles. Bytes: activations are read three times and written twice. The
    parameters are read twice from memory, because each further tile finds them in a cache. K partial gradients are
    written and read, and their sum is written. Adam reads and writes seven arrays. Operations: only products are
    counted, with all `rows` columns of the scores. A token needs F = 24 d^2 + 4 d rows forward. Backward it needs
    8 d^2 + 4 d rows for the attention again, F - 10 d^2 for what the gradients of both halves of the block use, and 2 F
    for these. Kernels: one forward, one backward, and two for each of the eight leaves (sum, Adam).
    """
    rest, tokens, width = demand(dataclasses.replace(case, depth=0)), case.batch_size * case.length, case.width
    weights, tiles = 12 * width**2 + 7 * width, tokens // rows
    moved = 4 * (5 * tokens * width + weights * (2 + 2 * tiles + 1 + 7))
    forward = 24 * width**2 + 4 * width * rows
    computed = tokens * (4 * forward - 2 * width**2 + 4 * width * rows)
    return Demand(
        tokens,
        rest.operations + case.depth * computed,
        rest.bytes + case.depth * moved,
        rest.kernels + case.depth * (2 + 2 * 8),
    )


def _compiled(case: Case, num_models: int) -> Any:
    """Compile the step of several models with `vmap` for this backend, with the whole batch in one part."""
    world = uniform_world(dataclasses.replace(case, num_models=1))
    data, model = on_device(world), transformer(world.trie, width=case.width, depth=case.depth, heads=case.heads)
    phase = Phase(data, data, None, Sft("sampled"), Adam(1e-3), 1e9, True, case.batch_size)
    job = Job(jax.random.key(0), jax.jit(model.init)(jax.random.key(0)), phase, model)
    leaves, tree = jax.tree.flatten((job, start(job)))

    def step(*leaves: Any) -> list[Any]:
        return jax.tree.leaves(_step(*tree.unflatten(leaves)))

    if num_models == 1:
        return jax.jit(step).lower(*leaves).compile()
    arrays = [jax.ShapeDtypeStruct((num_models, *leaf.shape), leaf.dtype) for leaf in map(jnp.asarray, leaves)]
    return jax.jit(jax.vmap(step)).lower(*arrays).compile()


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
