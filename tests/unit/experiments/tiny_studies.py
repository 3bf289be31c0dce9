"""Studies without a training: the run in tests/archive, written again as the runs of every part of a claim's study."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.c2_support.arms import BASE, EDITS
from sim.disk.records import PhaseRecord, Record, read, write
from sim.languages.restricted import Restricted
from sim.phases import of_edit

ROOT = Path(__file__).resolve().parents[3]
ARCHIVED = ROOT / "tests" / "archive" / "fe3430a4d566"

PARTS = ("support", "recovery", "rates", "decay", "kernel", "race", "replay")
"""The beginnings of the names of the parts of a study, see `experiments.predictions.Need`."""


def archived() -> Record:
    """A real run of a tiny transformer, with every control but `carried`, and with learning again; see `watched`."""
    return watched(read(ARCHIVED))


def half_prompts(record: Record) -> Record:
    """The same models beside another S: all answers to the first prompt, and no other prompt."""
    kept = record.p.prompts.group == 0
    s, log_mass = record.p.condition(kept)
    return dataclasses.replace(record, restricted=Restricted(s, s, kept, log_mass))


def watched(record: Record) -> Record:
    """The same run with KL(S‖q) after every step, which it comes near to at once."""
    sft = record.phases["sft"]
    by_step = np.full((int(sft.steps[-1]), 2), [0.0, 0.01])
    return dataclasses.replace(record, phases={**record.phases, "sft": dataclasses.replace(sft, kl_every_step=by_step)})


def armed(record: Record) -> Record:
    """The same run with the probes of an arm of C2.8, and with every edit: the model before, under other names."""
    sft, control = record.phases["sft"], record.phases["identity"]
    probes = {name: np.ones((len(sft.steps), 1)) for name in ("sharpness", "gradient_noise")}
    phases = {**record.phases, "sft": dataclasses.replace(sft, arrays={**sft.arrays, **probes})}
    meanings = dict(record.meanings)
    first = PhaseRecord(control.steps[:1], control.losses[:1], {name: one[:1] for name, one in control.arrays.items()})
    for name, edit in EDITS.items():
        if name not in phases:
            phases[name], meanings[name] = first, of_edit(name, "identity" if edit.of_control else "sft", "edit")
    return dataclasses.replace(
        record, phases=phases, meanings=meanings, restricted=dataclasses.replace(record.restricted)
    )


def variant(record: Record, number: int, part: str | None = None, claim: str | None = None, **config: Any) -> Record:
    """The run under another hash, as a run of a part of a study, with other values in its configuration."""
    phases, meanings = dict(record.phases), dict(record.meanings)
    if "identity" in phases:  # what the metrics read of `carried` has the same shape
        phases["carried"], meanings["carried"] = phases["identity"], meanings["identity"]
    merged = merge(record.config, {"study": {"part": part}, "claim": claim, **config})
    said = {"phases": phases, "meanings": meanings, "config": merged, "hash": f"{number:012x}"}
    return dataclasses.replace(record, **said, params={})


def merge(config: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    nested = {
        name: merge(config[name], value)
        for name, value in changed.items()
        if isinstance(value, Mapping) and isinstance(config.get(name), Mapping)
    }
    return {**config, **changed, **nested}


def study(folder: Path, records: Iterable[Record]) -> Path:
    """The folder, with the records in it."""
    for record in records:
        write(record, folder / record.hash)
    return folder


def every_part() -> list[Record]:
    """One run of every part of C2, and a second one of the race, which has lost a prompt."""
    record, lost = archived(), half_prompts(archived())
    runs = [variant(record, number, part, seed=0) for number, part in enumerate(PARTS)]
    arm = variant(armed(record), len(runs), BASE, seed=0)
    return [*runs, arm, variant(lost, len(runs) + 1, "race", seed=0, finetune={"num_steps": 21})]
