"""One point of a study while it is worked on: claimed, built, noted on the disk, and ended in exactly one way."""

import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sim.disk import ledger
from sim.disk.files import FinishedError
from sim.disk.locks import Lock
from sim.disk.store import Pretrained
from sim.numerics import SpecificationError
from sim.running.recording import publish, recorded
from sim.training.simulation import Run
from sim.training.sweep import Training

NOTE_SECONDS = 1.0
"""A running point says how far it is at most this often."""

MISTAKES = (SpecificationError, FloatingPointError)
"""What a person can mend: bad input, and trainings that diverge."""


@dataclass(frozen=True)
class Outcome:
    """How a point ended. finished: trained and published; kept: it was finished before; refused: another process is
    at it; failed: `reason` says why in one line, and `mistake` whether a change of the configuration can mend it.
    """

    target: Path
    state: Literal["finished", "kept", "refused", "failed"]
    reason: str = ""
    error: BaseException | None = None

    @property
    def mistake(self) -> bool:
        """Whether a person can mend it."""
        return self.state == "refused" or isinstance(self.error, MISTAKES)


@dataclass(eq=False)
class Point:
    """A run that this process has claimed. `ended` is None as long as it is worked on."""

    chosen: Mapping[str, Any]
    target: Path
    lock: Lock
    run: Run | None = None
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

    def note(self, phase: str, step: int, num_steps: int, now: bool = False) -> None:
        """Say on the disk how far it is, at most once a second unless `now`."""
        if self.ended is not None or not (now or time.time() - self.noted >= NOTE_SECONDS):
            return
        self.noted = time.time()
        with suppress(OSError):  # a note on a full disk is not worth a result
            ledger.note(
                self.target,
                "running",
                phase=phase,
                step=step,
                num_steps=num_steps,
                fraction=self.fraction(phase, step),
                since=self.since,
                **self.said,
            )

    def fraction(self, phase: str, step: int) -> float:
        """The share of the run's optimiser steps that is done [0..1]; phases that run side by side count once."""
        stages = {"pretrain": "pretrain", "sft": "finetune", "relearn": "relearn"}
        steps = {name: self.chosen[group]["num_steps"] for name, group in stages.items()}
        before = list(steps)[: list(steps).index(phase)]
        done: int = sum(steps[name] for name in before) + step
        return done / sum(steps.values())

    def fail(self, problem: BaseException) -> None:
        """End it with a reason, and say so on the disk; what was trained so far stays in its checkpoints."""
        if not isinstance(problem, (*MISTAKES, OSError)):
            traceback.print_exception(problem, file=sys.stderr)
        self.ended = failure(self.target, problem)
        note_failure(self.ended, since=self.since, **self.said)
        self.lock.release()

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Check and publish its record."""
        assert self.run is not None
        assert self.first is not None
        known = {**facts, "world_notes": dict(self.notes), "seconds": time.time() - self.since}
        tuned = {name: one.trained for name, one in self.tuned.items()}
        record = recorded(self.chosen, self.target.name, self.run, self.first, tuned, known)
        try:
            publish(record, self.target)
        except FinishedError:
            self.ended = Outcome(self.target, "kept")
        else:
            self.ended = Outcome(self.target, "finished")
        ledger.clear(self.target)
        self.lock.release()


def note_failure(outcome: Outcome, **facts: Any) -> None:
    """Say on the disk why a point failed."""
    with suppress(OSError):  # the outcome says it too
        ledger.note(outcome.target, "failed", reason=outcome.reason, mistake=outcome.mistake, **facts)


def failure(target: Path, problem: BaseException) -> Outcome:
    """The outcome of a point that something was raised for; the reason is one line."""
    text = " ".join(str(problem).split())
    if not isinstance(problem, MISTAKES):
        text = f"{type(problem).__name__}: {text}".removesuffix(": ")
    if isinstance(problem, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        text += "; memory ran out: fewer runs at a time need less (hydra.launcher.max_batch)"
    return Outcome(target, "failed", text, problem)
