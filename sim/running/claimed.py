"""A run while this process works on it. It is claimed, built, noted on the disk, and ended in exactly one way."""

import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.disk import ledger
from sim.disk.files import FinishedError
from sim.disk.locks import Lock, holder
from sim.disk.records import check
from sim.disk.store import Pretrained
from sim.numerics import SpecificationError
from sim.phases import Stage, steps_by_stage
from sim.running.diagnosis import explained
from sim.running.outcomes import MISTAKES, Outcome, failure
from sim.running.recording import publish, recorded
from sim.training.simulation import Simulation
from sim.training.sweep import Trained, Training

NOTE_SECONDS = 1.0
"""Least time between two notes of a run that is under way [s]."""

TAKEN = "another process has taken this run, because this one gave no sign of life for too long; it goes on there"


@dataclass(eq=False)
class ClaimedRun:
    """A run that this process has claimed. `ended` is None while the process works on it."""

    chosen: Mapping[str, Any]  # the canonical configuration of the run
    target: Path
    lock: Lock
    simulation: Simulation | None = None
    notes: Mapping[str, float] = field(default_factory=dict)
    key: str = ""  # of the run's pretraining in the store
    first: Pretrained | None = None
    tuned: dict[str, Training] = field(default_factory=dict)
    edited: dict[str, Trained] = field(default_factory=dict)  # evaluated edits, see `sim.running.editing`
    ended: Outcome | None = None
    since: float = field(default_factory=time.time)  # for people [epoch s]; durations are measured from `began`
    began: float = field(default_factory=time.monotonic)
    noted: float = -NOTE_SECONDS
    said: Mapping[str, Any] = field(default_factory=dict)  # the facts that a multirun noted and that stay true

    def __post_init__(self) -> None:
        known = ledger.state(self.target)
        self.said = {"overrides": known.facts["overrides"]} if known and "overrides" in known.facts else {}

    def note(self, stage: Stage, step: int, num_steps: int, now: bool = False) -> None:
        """Note on the disk how far the run is, at most once a second unless `now` is true.

        If another process has taken the run, it is given up, because this one gave no sign of life for too long.
        """
        if self.ended is not None or not (now or time.monotonic() - self.noted >= NOTE_SECONDS):
            return
        if self.lock.lost:
            self.ended = Outcome(self.target, "refused", f"{self.target}: {TAKEN}", mistake=True)
            return
        self.noted = time.monotonic()
        with suppress(OSError):  # if the disk is full, a result is worth more than a note
            ledger.note(
                self.target,
                "running",
                stage=stage,
                step=step,
                num_steps=num_steps,
                fraction=self.fraction(stage, step),
                since=self.since,
                elapsed=time.monotonic() - self.began,
                **self.said,
            )

    def fraction(self, stage: Stage, step: int) -> float:
        """Share of the run's optimiser steps that are done [0..1]. The phases of one stage count once."""
        steps = steps_by_stage(self.chosen)
        before = list(steps)[: list(steps).index(stage)]
        done: int = sum(steps[name] for name in before) + step
        return done / sum(steps.values())

    def fail(self, problem: BaseException) -> None:
        """End the run with a reason and note it on the disk. What was trained so far stays in the checkpoints."""
        if self.simulation is not None and not isinstance(problem, (*MISTAKES, OSError, MemoryError)):
            problem = explained(self.simulation, self.chosen) or problem
        if not isinstance(problem, (*MISTAKES, OSError)):
            traceback.print_exception(problem, file=sys.stderr)
        self.ended = failure(self.target, problem)
        if not self.lock.lost:
            note_failure(self.target, self.ended, since=self.since, **self.said)
        self.lock.release()

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Check the record of the run and publish it."""
        assert self.simulation is not None
        assert self.first is not None
        last, steps = [(stage, steps) for stage, steps in steps_by_stage(self.chosen).items() if steps][-1]
        self.note(last, steps, steps, now=True)  # a sign of life
        if self.ended is not None:
            return
        known = {**facts, "world_notes": dict(self.notes), "seconds": time.monotonic() - self.began}
        tuned = {name: one.trained for name, one in self.tuned.items()} | self.edited
        record = recorded(self.chosen, self.target.name, self.simulation, self.first, tuned, known)
        try:
            publish(record, self.target)
        except FinishedError:
            self.ended = Outcome(self.target, "kept")
        else:
            self.ended = Outcome(self.target, "finished")
        ledger.clear(self.target)
        self.lock.release()


def note_failure(target: Path, outcome: Outcome, **facts: Any) -> None:
    """Note on the disk why a run failed."""
    with suppress(OSError):  # the outcome holds the reason too
        ledger.note(target, "failed", reason=outcome.reason, mistake=outcome.mistake, **facts)


def kept(target: Path) -> Outcome:
    """Return the outcome of a run that has a record. The record is verified, so that damage is reported."""
    try:
        check(target)
    except (OSError, SpecificationError) as problem:
        return failure(target, problem)
    return Outcome(target, "kept")


def refusal(target: Path) -> Outcome:
    """Return the outcome of a run that another process is computing."""
    who = holder(ledger.work(target) / ledger.LOCK) or {}
    at = f"process {who['pid']} on {who['host']}" if who.get("pid") else "another process"
    problem = SpecificationError(
        f"{target}: {at} is computing this run now; wait until it has ended (python -m sim.status {target.parent})"
    )
    return Outcome(target, "refused", str(problem), mistake=True, error=problem)
