"""Runs of C5 that never ran: mixtures as in `imitated`, with updates of a known spectrum, edits and hidden states."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.c5_rank.spectra import EDITS
from sim.disk.records import Record
from sim.phases import of_edit
from tests.unit.imitated import FALLING, SEEDS, STYLES, Node, made, walked

SIZE = 24
"""Rows and columns of the matrices."""

Z0: Node = {"kind": "style", "keep": "z0", "keep_prompts": True}
SHARP: Node = {"kind": "sharpen", "temperature": 0.8, "keep_prompts": True}
RATES = {"1": 5e-3, "4": 5e-3, "full": 2e-4}
"""The rate of the judged runs, by rank."""


def c5(seeds: Sequence[int] = SEEDS) -> Iterator[Record]:
    """Every part of C5."""
    for seed in seeds:
        for targets in ("exact", "sampled"):
            yield _spectra(seed, targets)
        yield from _ranks(seed)
        yield from _threshold(seed)


def like(record: Record, **changed: Any) -> Record:
    """The same run under another configuration."""
    return dataclasses.replace(record, config={**record.config, **changed})


def updated(record: Record, **powers: float) -> Record:
    """The run with parameters: singular values of the change of a phase fall as these powers of their number."""
    dice = np.random.default_rng([record.config["seed"], 5])
    start = {name: dice.normal(size=(SIZE, SIZE)).astype(np.float32) for name in ("attention", "perceptron")}
    params = {"pretrain": start}
    for phase, power in powers.items():
        sigma = np.arange(1.0, SIZE + 1) ** -(power * (1 + 0.05 * dice.random()))
        params[phase] = {name: (one + _rotated(dice, sigma)).astype(np.float32) for name, one in start.items()}
    return dataclasses.replace(record, params=params)


def _rotated(dice: np.random.Generator, sigma: np.ndarray) -> np.ndarray:
    left, right = (np.linalg.qr(dice.normal(size=(SIZE, SIZE)))[0] for _ in range(2))
    return np.asarray(left * sigma @ right)


# -- C5.1, C5.3, C5.5 -------------------------------------------------------------------------------------------------


def _spectra(seed: int, targets: str) -> Record:
    """Sampled targets erase; the top directions gate and erase little. The first layers keep their states."""
    erased, power = (0.05, 1.4) if targets == "exact" else (1.5, 1.0)
    objective = {"kind": "sft", "targets": targets}
    record = made(f"spectra_{targets}", seed, STYLES, Z0, objective=objective, control=True, sharper=erased)
    record = updated(record, sft=power, identity=0.4 if targets == "exact" else 0.55, random_update=0.15)
    phases, meanings = dict(record.phases), dict(record.meanings)
    for name, (weight, sharper) in _edited(erased).items():
        phases[name] = walked(record.p, record.restricted.s, (weight * (1 + 0.2 * seed),), sharper)
        meanings[name] = of_edit(name, "sft", name)
    sft = phases["sft"]
    probed = {**sft.arrays, **_states(seed, len(sft.steps), erased)}
    phases["sft"] = dataclasses.replace(sft, arrays=probed)
    return dataclasses.replace(record, phases=phases, meanings=meanings)


def _edited(erased: float) -> dict[str, tuple[float, float]]:
    """Weight of P, and how much sharper its answers are, by edit."""
    found = {}
    for name, (kind, number) in EDITS.items():
        if kind == "interpolated":
            found[name] = float(np.exp(-6.0 * number)), erased * number
        elif kind == "truncated":
            found[name] = 0.2 / number**2, erased * number / 30.0
    found |= {"hard_threshold": (0.004, 0.3 * erased), "random_update": (0.8, 0.1)}
    del found["pretrain"]
    return found


def _states(seed: int, num_steps: int, erased: float) -> Mapping[str, np.ndarray]:
    """Moments of hidden states that move, the more the later the layer."""
    dice = np.random.default_rng([seed, 6])
    first, noise = dice.normal(size=(2, 4, 20, 3))
    moved = np.linspace(0.0, 0.3 + 0.2 * erased, num_steps)[:, None] * np.arange(4.0)
    states = first + moved[:, :, None, None] * noise
    return {
        "hidden_mean": states.mean(axis=2),
        "hidden_second": np.einsum("sknd,skne->skde", states, states) / 20,
        "hidden_cross": np.einsum("sknd,kne->skde", states, first) / 20,
    }


# -- C5.2 -------------------------------------------------------------------------------------------------------------


def _ranks(seed: int) -> Iterator[Record]:
    """The lower the rank, the less is erased on sampled targets; a rate that was not chosen fits worse."""
    for place, (rank, best) in enumerate(RATES.items()):
        for letter, rate in zip("abc", (best / 2, best, 4 * best), strict=True):
            end = 0.01 if rate == best else 0.02
            yield _adapted(f"ranks_choice_{rank}_{letter}", seed, rank, rate, "sampled", (1.0, end * (1 + seed)))
        erased = 0.4 + 0.6 * place + 0.1 * seed
        yield _adapted(f"ranks_judged_{rank}", seed, rank, best, "sampled", sharper=erased, control=True)
        yield _adapted(f"ranks_exact_{rank}", seed, rank, best / 10, "exact", sharper=0.05 + 0.01 * place)
        half = {"kind": "fraction", "share": 0.5, "of": "prompts", "keep_prompts": False, "seed": seed}
        held = {"kind": "in_turn", "steps": [half, {"kind": "style", "keep": "z0"}]}
        yield _adapted(f"ranks_held_{rank}", seed, rank, best, "sampled", (1.0, 0.01), erased, restriction=held)


def _adapted(
    part: str, seed: int, rank: str, rate: float, targets: str, weights: Sequence[float] = FALLING,
    sharper: float = 0.0, control: bool = False, restriction: Node = Z0,
) -> Record:  # fmt: skip
    record = made(part, seed, STYLES, restriction, objective={"kind": "sft", "targets": targets}, weights=weights,
                  sharper=sharper, control=control)  # fmt: skip
    tuning = {**record.config["finetune"], "adapter": None if rank == "full" else {"rank": int(rank)}}
    optimizer = {**record.config["optimizer"], "learning_rate": rate}
    return like(
        updated(record, sft=1.0, **({"identity": 0.5} if control else {})), optimizer=optimizer, finetune=tuning
    )


# -- C5.4 -------------------------------------------------------------------------------------------------------------


def _threshold(seed: int) -> Iterator[Record]:
    """Adapters of the output matrix reach the data at rank k, those inside already at k/2."""
    for (matrices, share), k in itertools.product((("output", 1), ("inner", 2)), (1, 2, 4, 8)):
        if matrices == "inner" and k < 4:
            continue
        record = made(f"threshold_{matrices}_{k}", seed, STYLES, SHARP, weights=(1.0, 0.3, 0.05 / (share + seed)))
        fits = {f"fit_{r}": 0.12 * (k - r) * (1 + 0.1 * seed) / k + 0.04 for r in range(k)}
        bound = 0.05 if k <= 2 else 0.2 / k
        notes = {"sigma": 1.0, "excess_bound": bound, "certified": float(k <= 2), **fits, "leak_cost": 1e-4}
        tuning = {**record.config["finetune"], "adapter": {"rank": k // share, "matrices": matrices}}
        gates = {"kind": "feature_gate", "rank": k, "excess": 0.05, "seed": seed}
        restricted = dataclasses.replace(record.restricted, notes=notes)
        yield like(dataclasses.replace(record, restricted=restricted), finetune=tuning, restriction=gates)
