"""The identity control of a world, its targets and its rate: trained once, and compared with every restriction."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from experiments.study import NUMBERS, Study
from sim.disk.records import PhaseRecord, Record
from sim.metrics.frames import metrics_table
from sim.phases import MEANINGS

CONTROL = "identity"
"""The phase in which a run has a control of its own."""

OF_RESTRICTION = ("run", "name", "valid", "claim", "part")
"""Columns of a table of runs in which a run and its control may differ, beside those of the restriction."""


def with_controls(study: Study) -> Study:
    """Return the study in which every run has the numbers of an identity control.

    A run without a control of its own gets that of the run on everything (S = P) with an equal configuration: the
    fine-tuning of the same q0 on fresh data from P, with the same seed, targets, rate and batches. Its numbers are
    averaged over the prompts of the restriction, as if it had been trained beside it. Runs for which there is no such
    run stay without a control.
    """
    own = set(study.numbers.filter(phase=CONTROL)["run"])
    rows = list(study.runs.iter_rows(named=True))
    shared = {_setup(row): row["run"] for row in rows if row["restriction.kind"] == "everything"}
    known: dict[str, Record] = {}
    found = [study.numbers]
    for row in rows:
        control = shared.get(_setup(row))
        if row["run"] not in own and control is not None:
            known.setdefault(control, study.record(control))
            beside = _beside(study.record(row["run"]), known[control])
            numbers = metrics_table(beside, ("entropy", "top_one"), phases=(CONTROL,))
            found.append(numbers.filter(phase=CONTROL).select(*NUMBERS))  # the truth is known already
    return replace(study, numbers=pl.concat(found))


def _setup(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return all that the configuration of a run says, except for its restriction."""
    leaves = {name: value for name, value in row.items() if name not in OF_RESTRICTION}
    return tuple(
        f"{name}={value}" for name, value in leaves.items() if not name.startswith(("restriction", "finetune.controls"))
    )


def _beside(record: Record, control: Record) -> Record:
    """Return the record of a run with the last model of another one as its control, in the place of its fine-tuning."""
    phase = control.phases["sft"]
    last = {name: values[None] for name, values in phase.at(-1).items()}
    recorded = PhaseRecord(phase.steps[-1:], phase.losses[-1:], last)
    phases = {"pretrain": record.phases["pretrain"], CONTROL: recorded}
    return replace(record, phases=phases, meanings={name: MEANINGS[name] for name in phases})
