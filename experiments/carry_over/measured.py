"""From the folders that trainers hand in to numbers: for each trainer, world, seed and arm, at its last step."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from experiments.carry_over.signs import ARMS, NAMES
from sim.disk.records import PhaseRecord, Record
from sim.exam.sheets import How, Sheet, read_sheets
from sim.exam.stored import read_world
from sim.exam.world import ExamWorld
from sim.metrics.divergence import kl
from sim.metrics.erasure import erased, lost_events
from sim.metrics.excursion import NEAR
from sim.metrics.forgetting import gate_erasure
from sim.metrics.law_record import given_record
from sim.metrics.scene import World
from sim.metrics.scored import Scored, TrieView
from sim.numerics import SpecificationError, expectation, log_group_sum, nearest
from sim.phases import MEANINGS
from sim.places import check_folder, reason

ABOUT = "about.json"
"""The file that says whose numbers a folder has. It is written last."""

BEFORE = "before"
"""The name of the file with the model before the fine-tuning."""

KEYS: Mapping[str, type | tuple[type, ...]] = {
    "trainer": str, "seed": int, "tokenizer": str, "arms": str, "limit": float, "parameters": int, "seconds": float
}  # fmt: skip
"""What is said in ABOUT, with its types."""

OWN = " (other arms)"
"""What is added to the name of a trainer that did not take the announced arms."""

SCHEMA = {
    **dict.fromkeys(("trainer", "world", "hash", "arm", "tokenizer"), pl.String), "seed": pl.Int64,
    "parameters": pl.Int64, "seconds": pl.Float64,
    **dict.fromkeys(("before", "fit", "kl", "gate", "share", "e", "x", "lost", "off", "held"), pl.Float64),
}  # fmt: skip
"""Columns of the numbers; all are in nats, but for share, lost and off, which are probabilities, and seconds."""


def numbers(folder: Path) -> pl.DataFrame:
    """Return the numbers of all arms of all folders that were handed in below a folder, sorted.

    before: KL(P‖q0); fit: KL(S‖q); kl: KL(P‖q); gate; share: gate / KL(P‖q); e: E, the erasure of lost styles against
    q0, or of B where there are no styles; x: the largest KL(S‖q) of a step that was handed in, after the first one
    at which it was at most 0.05, null if there is none; lost: q(B); off: q(⊥); held: see `held_out`. They are exact for
    the log-probabilities as they are, but for x, which is a lower bound, because other steps were not handed in. Raises
    SpecificationError for what cannot be read.
    """
    check_folder(folder, "a folder with what trainers hand in", "run an example first, or correct the path")
    places = sorted({file.parent for depth in ("*", "*/*", "*/*/*") for file in folder.glob(f"{depth}/{ABOUT}")})
    if not places:
        raise SpecificationError(
            f"{folder}: at least one folder with a file {ABOUT} is required, found none; run an example first, such as "
            "python examples/torch/exam.py WORLD DIR/torch_english"
        )
    rows = [row for place in places for row in _rows(place)]
    keys = ["trainer", "world", "seed", "arm"]
    found = pl.DataFrame(rows, SCHEMA)
    if twice := found.filter(found.select(keys).is_duplicated()).select(keys).rows():
        trainer, world, seed, arm = twice[0]
        raise SpecificationError(
            f"{folder}: one folder for each trainer, world and seed is required, found two of {trainer} in {world}, "
            f"seed {seed} ({arm}); remove one"
        )
    return found.sort(keys)


def _rows(place: Path) -> Iterator[dict[str, Any]]:
    about = _about(place / ABOUT)
    world = read_world(place / "world")
    trainer = about["trainer"] if about["arms"] == ARMS else about["trainer"] + OWN
    said = {"trainer": trainer, "world": world.name, "hash": world.hash[:12]}
    said |= {key: about[key] for key in ("seed", "tokenizer", "parameters", "seconds")}
    files = sorted(file for file in place.glob("*.npz") if file.stem != BEFORE)
    for file in files:
        if file.stem not in NAMES and about["arms"] == ARMS:
            raise SpecificationError(
                f"{file}: one of the announced arms {', '.join(NAMES)} is required, found {file.stem!r}"
                f"{nearest(file.stem, list(NAMES))}"
            )
        yield {**said, "arm": file.stem, **measured(place / f"{BEFORE}.npz", file, world)}


def _about(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        what = reason(problem) if isinstance(problem, OSError) else "none"
        raise SpecificationError(f"{file}: JSON is required, found {what}; write it again") from None
    for key, kind in KEYS.items():
        value = found.get(key) if isinstance(found, dict) else None
        if not isinstance(value, kind) or isinstance(value, bool):
            name = getattr(kind, "__name__", "")
            raise SpecificationError(f"{file}: the key {key} ({name}) is required, found {value!r}; write it again")
    return dict(found)


def scene_of(before: Path, file: Path, world: ExamWorld) -> World:
    """Return the models of two files as those of a run: the model before at step 0, then the series of steps.

    Raises SpecificationError for what `sim.exam.sheets` refuses, and for whole documents in the place of answers.
    """
    start, series = read_sheets(before, "before", world, How()), read_sheets(file, "after", world, How())
    sheets = [start[-1], *sorted(series, key=lambda one: one.step or 0)]
    view = TrieView.of(world.p.trie, world.p.prompts, "response")
    evaluations = [given_record(view, "response", _answers(one), math.inf) for one in sheets]
    arrays = {name: np.stack([one[name] for one in evaluations]) for name in evaluations[0]}
    steps = np.array([0, *(one.step or 0 for one in sheets[1:])], np.int64)
    phase = PhaseRecord(steps, np.full(len(steps), math.nan), arrays)
    meanings = {"sft": MEANINGS["sft"]}
    return World(
        Record("carry_over", "", {}, world.p, world.restricted, {"sft": phase}, {}, meanings=meanings), "response"
    )


def _answers(sheet: Sheet) -> np.ndarray:
    if sheet.answers is None:
        raise SpecificationError(f"{sheet.place}: the column log_q_answer is required, found another; hand in answers")
    return sheet.answers


def measured(before: Path, file: Path, world: ExamWorld) -> dict[str, float | None]:
    """Return the numbers of one arm at its last step, see `numbers`."""
    scene = scene_of(before, file, world)
    record = scene.record
    steps = len(record.phases["sft"].steps)
    start, last = scene.scored("sft", 0), scene.scored("sft", steps - 1)
    weights = scene.s.log_weights(scene.s_law)
    fits = [kl(scene.s.log_q, scene.scored("sft", at).log_q, weights) for at in range(steps)]
    split = gate_erasure(scene.p, last, record.restricted.event, scene.p_law)
    parts = lost_events(scene)
    mass = math.fsum(float(np.exp(part.log_gate).sum()) for part in parts)
    ends = [erased(scene, parts, one) for one in (start, last)]
    outside = np.where(record.restricted.event, -np.inf, last.log_q)
    lost = np.exp(log_group_sum(outside, last.group, last.num_groups))
    return {
        "before": kl(scene.p.log_q, start.log_q, scene.p.log_weights(scene.p_law)),
        "fit": fits[-1], "kl": split.total, "gate": split.gate, "share": split.gate / split.total,
        "e": None if ends[0] is None or ends[1] is None or mass == 0.0 else (ends[1] - ends[0]) / mass,
        "x": excursion(fits), "lost": float(np.exp(scene.p_law) @ lost), "off": float(np.exp(scene.p_law) @ last.off),
        "held": held_out(last, scene.p_law),
    }  # fmt: skip


def excursion(fits: Sequence[float]) -> float | None:
    """Return the largest KL(S‖q) after the first that is at most NEAR, [nat]; None if it is never or only then."""
    first = next((at for at, fit in enumerate(fits) if fit <= NEAR), len(fits))
    return max(fits[first + 1 :], default=None)


def held_out(q: Scored, p_law: np.ndarray) -> float | None:
    """Entropy of q(y|x) given that y is on the list, averaged over P(x) of the prompts with an odd number [nat].

    Prompts are numbered from 0 as they first stand in the list. Arms with half of the prompts train on the even ones.
    None if there is one prompt alone.
    """
    order = list(dict.fromkeys(q.group.tolist()))
    odd = order[1::2]
    if not odd:
        return None
    mass = log_group_sum(q.log_q, q.group, q.num_groups)
    log_share = q.log_q - mass[q.group]
    entropies = np.array([-expectation(log_share[q.group == one], log_share[q.group == one]) for one in odd])
    law = np.exp(p_law[odd])
    return float(law @ entropies / law.sum())
