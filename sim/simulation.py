"""One simulation: pretrain on P, fine-tune on S and, as a control, on P itself; everything recorded on P's trie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import jax
import jax.numpy as jnp

from sim.languages.device import Listed, on_device
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.models._base import Model
from sim.objectives._context import LossOn, Objective
from sim.optimizers._base import Optimizer
from sim.probes.trie_logits import trie_plan
from sim.sweep import Trained, structure, train_many
from sim.training import Job, Phase
from sim.typing import Params, PRNGKey


@dataclass(frozen=True)
class Recipe:
    """How a phase is trained, whatever its data."""

    objective: Objective
    optimizer: Optimizer
    num_steps: int
    batch_size: int
    steps: Sequence[int]  # at which it is evaluated
    loss_on: LossOn
    whole_support: bool


@dataclass(frozen=True, eq=False)
class Run:
    """A simulation to do, with everything built."""

    seed: int
    p: FiniteLanguage
    restricted: Restricted
    model: Model
    pretrain: Recipe
    finetune: Recipe
    controls: tuple[str, ...] = ("identity",)


Observer: TypeAlias = Callable[[str, int, int, Sequence[Trained]], None]
"""Called after every evaluation with the phase, the step, the number of steps and what was recorded of each job."""


def simulate(run: Run, observe: Observer = lambda *_: None) -> dict[str, Trained]:
    """Pretrain, then fine-tune on S and on each control from the same q0 with the same budget.

    Keys of the result: "pretrain", "sft" and the controls; "identity" is fine-tuning on fresh data from P. Every phase
    draws from a key of its own. A fine-tuning starts with a fresh optimiser state.
    """
    base, tuned = on_device(run.p), on_device(run.restricted.s)
    plan, trie = trie_plan(run.p.trie), run.p.trie
    init_key, *keys = jax.random.split(jax.random.key(run.seed), 3 + len(run.controls))
    event = jnp.asarray(run.restricted.event)

    def job(key: PRNGKey, init: Params, recipe: Recipe, data: Listed) -> Job:
        phase = Phase(
            data,
            base,
            event,
            recipe.objective,
            recipe.optimizer,
            float(recipe.num_steps),
            recipe.batch_size,
            recipe.loss_on,
            recipe.whole_support,
        )
        return Job(key, init, phase, run.model)

    def trained(name: str, recipe: Recipe, jobs: list[Job]) -> list[Trained]:
        def seen(step: int, so_far: Sequence[Trained]) -> None:
            observe(name, step, recipe.num_steps, so_far)

        try:
            return train_many(jobs, trie, plan, recipe.steps, seen)
        except FloatingPointError as problem:
            raise FloatingPointError(f"{name}: {problem}") from None

    init = jax.jit(run.model.init)(init_key)
    (pretrained,) = trained("pretrain", run.pretrain, [job(keys[0], init, run.pretrain, base)])
    sources = {"sft": tuned} | dict.fromkeys(run.controls, base)
    jobs = [
        job(key, pretrained.params, run.finetune, data) for key, data in zip(keys[1:], sources.values(), strict=True)
    ]
    return {"pretrain": pretrained} | dict(zip(sources, _groups(jobs, trained, run.finetune), strict=True))


def _groups(
    jobs: list[Job], trained: Callable[[str, Recipe, list[Job]], list[Trained]], recipe: Recipe
) -> list[Trained]:
    """Fine-tunings of one structure together, the others one after the other."""
    if len({structure(job) for job in jobs}) == 1:
        return trained("sft", recipe, jobs)
    return [one for job in jobs for one in trained("sft", recipe, [job])]
