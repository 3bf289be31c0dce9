"""On an accelerator: throughput for several ensemble sizes, `vmap` against `lax.map`, and matrix precision.

If jax finds no accelerator, nothing is measured. A quick run works anywhere.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Literal, TypeAlias

import jax
import numpy as np

from benchmarks.cases import CASES, TINY, Case
from benchmarks.harness import Result, alternate, ratios
from benchmarks.targets import Setting, Trainings
from benchmarks.training import Ours
from sim.grammars.english import english
from sim.objectives.sft import Sft

SIZES = {"vmap": (1, 8, 64, 256, 1024), "loop": (8, 64)}
"""Ensemble sizes for each mapping. With "loop" the models run one after another, so larger ensembles gain nothing."""

Sizes: TypeAlias = Mapping[Literal["vmap", "loop"], tuple[int, ...]]


def throughput(name: str, case: Case, sizes: Sizes, rounds: int, seconds: float) -> list[Result]:
    """Compare the tokens per second of ensembles of several sizes with the tokens per second of one model."""
    contestants = {("vmap", 0): Ours(dataclasses.replace(case, num_models=1), "vmap")}
    for mapping, several in sizes.items():
        contestants |= {(mapping, size): Ours(dataclasses.replace(case, num_models=size), mapping) for size in several}
    turns = {key: partial(ours.tokens_per_second, seconds) for key, ours in contestants.items()}
    found = alternate(turns, rounds)
    one = found.pop(("vmap", 0))
    return [
        Result(
            "device",
            f"{size} models with {'vmap' if mapping == 'vmap' else 'lax.map'} against one, {name}",
            **ratios(rates, one),
            reach=50.0 if (mapping, size) == ("vmap", SIZES["vmap"][-1]) else None,
            note=jax.devices()[0].device_kind,
            measured={"tokens/s": float(np.median(rates)), "tokens/s of one": float(np.median(one))},
        )
        for (mapping, size), rates in found.items()
    ]


def precision(setting: Setting, quick: bool) -> Result:
    """Compare KL(P||q) at the end of the same training for the default and the highest matrix precision."""
    world, found, horizon = english(num_prompts=1 if quick else 12), {}, setting.horizons[-1]
    for name in ("default", "highest"):
        with jax.default_matmul_precision(name):
            found[name] = Trainings(world, Sft("exact"), setting).divergences(horizon).ravel()
    return Result(
        "device",
        f"KL(P‖q) after {horizon} steps, default against highest matrix precision",
        **ratios(found["default"].tolist(), found["highest"].tolist()),
        note=f"{jax.devices()[0].device_kind}; rounds are seeds",
        measured={f"{name} nats": float(np.median(values)) for name, values in found.items()},
    )


def run(quick: bool = False) -> list[Result]:
    """Measure cases A and C on an accelerator; return no results on a CPU."""
    if quick:
        setting = Setting(1.0, (1e-2,), (0,), (2,), width=8, batch_size=4)
        return [*throughput("tiny", TINY, {"vmap": (1, 2), "loop": (2,)}, 1, 0.01), precision(setting, quick)]
    if jax.default_backend() == "cpu":
        return []
    setting = Setting(0.02, (1e-2,), (0, 1, 2, 3), (800,))
    measured = [result for name in ("A", "C") for result in throughput(name, CASES[name], SIZES, 5, 1.0)]
    return [*measured, precision(setting, quick)]
