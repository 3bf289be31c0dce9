"""A run while this process works on it: claimed, built, noted on the disk, and ended in exactly one way."""

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
from sim.disk.locks import Lock
from sim.disk.store import Pretrained
from sim.phases import STAGES, Stage
from sim.running.outcomes import MISTAKES, Outcome, failure
from sim.running.recording import publish, recorded
from sim.training.simulation import Simulation
from sim.training.sweep import Training

NOTE_SECONDS = 1.0
"""Seconds between two notes of a run that is under way, at least."""


@dataclass(eq=False)
class ClaimedRun:
    """A run that this process has claimed. `ended` is None as long as it is worked on."""

    chosen: Mapping[str, Any]  # its canonical configuration
    target: Path
    lock: Lock
    simulation: Simulation | None = None
    notes: Mapping[str, float] = field(default_factory=dict)
    key: str = ""  # of its pretraining
    first: Pretrained | None = None
    tuned: dict[str, Training] = field(default_factory=dict)
    ended: Outcome | None = None
    since: float = field(default_factory=time.time)
    noted: float = 0.0
    said: Mapping[str, Any] = field(default_factory=dict)  # what a multirun noted of it, and what stays true

    def __post_init__(self) -> None:
        known = ledger.state(self.target)
        self.said = {"overrides": known.facts["overrides"]} if known and "overrides" in known.facts else {}

    def note(self, stage: Stage, step: int, num_steps: int, now: bool = False) -> None:
        """Note on the disk how far it is, at most once a second unless `now`."""
        if self.ended is not None or not (now or time.time() - self.noted >= NOTE_SECONDS):
            return
        self.noted = time.time()
        with suppress(OSError):  # a note on a full disk is not worth a result
            ledger.note(
                self.target,
                "running",
                stage=stage,
                step=step,
                num_steps=num_steps,
                fraction=self.fraction(stage, step),
                since=self.since,
                **self.said,
            )

    def fraction(self, stage: Stage, step: int) -> float:
        """The share of the run's optimiser steps that is done [0..1]; phases of one stage count once."""
        steps = {name: self.chosen[name]["num_steps"] for name in STAGES}
        before = list(steps)[: list(steps).index(stage)]
        done: int = sum(steps[name] for name in before) + step
        return done / sum(steps.values())

    def fail(self, problem: BaseException) -> None:
        """End it with a reason, and note that on the disk; what was trained so far stays in its checkpoints."""
        if not isinstance(problem, (*MISTAKES, OSError)):
            traceback.print_exception(problem, file=sys.stderr)
        self.ended = failure(self.target, problem)
        note_failure(self.target, self.ended, since=self.since, **self.said)
        self.lock.release()

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Check and publish its record."""
        assert self.simulation is not None
        assert self.first is not None
        known = {**facts, "world_notes": dict(self.notes), "seconds": time.time() - self.since}
        tuned = {name: one.trained for name, one in self.tuned.items()}
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
    with suppress(OSError):  # the outcome says it too
        ledger.note(target, "failed", reason=outcome.reason, mistake=outcome.mistake, **facts)
