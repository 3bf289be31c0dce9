"""Exact targets against sampled targets, and systematic draws against independent ones: how small KL(P||q) becomes."""

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import numpy as np
from flax import struct

from benchmarks.harness import Result, alternate, ratios, seconds
from sim.grammars.english import english
from sim.languages.device import on_device
from sim.languages.finite import FiniteLanguage
from sim.models.transformer import transformer
from sim.objectives._context import Batch, Context
from sim.objectives.sft import Sft
from sim.optimizers.adam import Adam
from sim.training.ensemble import Ensemble
from sim.training.job import Job, Phase
from sim.training.node_record import node_record
from sim.training.sharing import Member
from sim.training.trie_logits import trie_plan
from sim.typing import Language, PRNGKey, Scalar

Targets = Literal["exact", "sampled"]
KINDS: tuple[Targets, Targets] = ("exact", "sampled")


REACH = (10.0, 20.0)
"""The goal and the stretch goal of the ratio of times."""


@struct.dataclass
class Independent:
    """The loss with exact targets on strings that are drawn independently, because it has no field `targets`."""

    @property
    def is_additive(self) -> Literal[True]:
        """True, as for the loss itself."""
        return True

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]."""
        return Sft("exact")(q, context, batch, key)


@dataclass(frozen=True)
class Setting:
    """The trainings that are tried: every rate with every seed, with a cosine decay to zero, at increasing lengths.

    At a constant rate, the noise of sampled targets never lets them reach the goal. In practice one uses a decay.
    """

    goal: float  # KL(P||q) [nat per string]
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    horizons: tuple[int, ...]  # numbers of steps, ascending
    width: int = 64
    batch_size: int = 64


class Trainings:
    """Trainings with one objective on one world, as ensembles over rates and seeds."""

    def __init__(self, world: FiniteLanguage, objective: Sft | Independent, setting: Setting) -> None:
        self.world, self.objective, self.setting = world, objective, setting
        self.data, self.plan = on_device(world), trie_plan(world.trie)
        self.model = transformer(world.trie, width=setting.width, depth=2, heads=2)
        self.init = jax.jit(self.model.init)
        self.mass = np.zeros(world.trie.num_edges)
        alive = world.trie.edge >= 0
        probability = np.broadcast_to(np.exp(world.log_p)[:, None], alive.shape)
        np.add.at(self.mass, world.trie.edge[alive], probability[alive])

    def ensemble(self, horizon: int) -> Ensemble:
        """Return trainings of `horizon` steps that have not begun, in the order of rates, then seeds."""
        pairs = list(itertools.product(self.setting.rates, self.setting.seeds))
        return Ensemble([self._member(horizon, rate, seed) for rate, seed in pairs], [None] * len(pairs))

    def _member(self, horizon: int, rate: float, seed: int) -> Member:
        key, init_key = jax.random.split(jax.random.key(seed))
        adam = Adam(rate, b2=0.99, warmup=min(50.0, horizon / 4), decay="cosine")
        size = self.setting.batch_size
        phase = Phase(self.data, self.data, None, self.objective, adam, float(horizon), True, size)
        return Job(key, self.init(init_key), phase, self.model), self.plan

    def divergences(self, horizon: int) -> np.ndarray:
        """KL(P||q) [nat per string] after trainings of `horizon` steps: float64[rates, seeds]; inf if diverged."""
        ensemble = self.ensemble(horizon)
        found = np.full(ensemble.num_members, np.inf)
        ensemble.advance([horizon] * len(found))
        for index, logits in ensemble.logits():
            if np.isfinite(logits).all():
                log_q = node_record(logits, self.world.trie)["edge_log_q"]
                found[index] = np.sum(self.mass * (self.world.edge_log_prob - log_q))
        return found.reshape(len(self.setting.rates), len(self.setting.seeds))

    def shortest(self) -> np.ndarray:
        """Steps of the shortest training that reaches the goal with any of the rates, for each seed: float64[seeds].

        It raises ArithmeticError if the longest horizon is too short.
        """
        found = np.full(len(self.setting.seeds), np.inf)
        for horizon in self.setting.horizons:
            reached = self.divergences(horizon).min(axis=0) <= self.setting.goal
            found[reached & np.isinf(found)] = horizon
            if np.isfinite(found).all():
                return found
        raise ArithmeticError(f"{self.objective}: {horizon} steps do not reach a KL of {self.setting.goal} nats")


def measure(world: FiniteLanguage, setting: Setting, rounds: int, reach: tuple[float, float] | None) -> Result:
    """Measure the ratio of times: the ratio of steps, seed by seed, divided by the relative cost of an exact step."""
    kinds = {targets: Trainings(world, Sft(targets), setting) for targets in KINDS}
    steps = {targets: trainings.shortest() for targets, trainings in kinds.items()}
    portion = setting.horizons[0]
    ensembles = {targets: trainings.ensemble(rounds * portion) for targets, trainings in kinds.items()}

    def advance(ensemble: Ensemble) -> float:
        until = ensemble.steps + portion
        return seconds(lambda: ensemble.advance(until.tolist()))

    cost = alternate({name: partial(advance, ensemble) for name, ensemble in ensembles.items()}, rounds)
    dearer = float(np.median([a / b for a, b in zip(cost["exact"], cost["sampled"], strict=True)]))
    each = steps["sampled"] / steps["exact"] / dearer
    rates = ", ".join(f"{rate:g}" for rate in setting.rates)
    return Result(
        "targets",
        f"time to KL(P‖q) ≤ {setting.goal:g}, sampled against exact targets",
        ratio=float(np.median(each)),
        low=float(each.min()),
        high=float(each.max()),
        rounds=len(each),
        reach=None if reach is None else reach[0],
        stretch=None if reach is None else reach[1],
        note=f"{world.support_size:,} strings; spread over seeds; the best of Adam's rates {rates}, cosine to 0",
        measured={f"{name} steps": float(np.median(found)) for name, found in steps.items()}
        | {"cost of a step": dearer},
    )


def draws(world: FiniteLanguage, setting: Setting) -> Result:
    """Compare KL(P||q) at the end of the same training for independent and for systematic draws, seed by seed."""
    horizon = setting.horizons[-1]
    kinds = {"independent": Independent(), "systematic": Sft("exact")}
    found = {
        name: Trainings(world, objective, setting).divergences(horizon).ravel() for name, objective in kinds.items()
    }
    return Result(
        "targets",
        f"KL(P‖q) after {horizon:,} steps with exact targets, independent against systematic draws",
        **ratios(found["independent"].tolist(), found["systematic"].tolist()),
        note=f"{world.support_size:,} strings; rounds are seeds; Adam's rate {setting.rates[0]:g}, cosine to 0",
        measured={f"{name} nats": float(np.median(values)) for name, values in found.items()},
    )


def run(quick: bool = False) -> list[Result]:
    """Measure the default world."""
    if quick:
        world, tiny = english(num_prompts=1), Setting(1e3, (1e-2,), (0,), (2,), width=8, batch_size=4)
        return [measure(world, tiny, 1, None), draws(world, tiny)]
    horizons = tuple(round(200 * 2 ** (power / 2)) for power in range(14))
    return [
        measure(english(), Setting(0.02, (3e-3, 1e-2), (0, 1, 2), horizons), 5, REACH),
        draws(english(), Setting(0.02, (3e-3,), tuple(range(8)), (2_000,))),
    ]
