"""Checkpoints of trainings that run together: they are written from time to time, and read when a run is continued."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from sim.disk import checkpoints
from sim.training.job import State
from sim.training.resume import packed, resume
from sim.training.sweep import Training

CHECKPOINT_SHARE = 0.05
"""Largest share of the time that may be spent on writing checkpoints."""


class Saver:
    """It writes checkpoints of some trainings, at most every `seconds`, and rarely enough to cost little time."""

    def __init__(self, trainings: Sequence[Training], works: Sequence[tuple[Path, str]], seconds: float) -> None:
        self.trainings, self.works, self.seconds = trainings, works, seconds
        self.due = time.monotonic() + seconds
        self.state: Callable[[int], State] | None = None

    def __call__(self, state: Callable[[int], State]) -> None:
        """Write the checkpoints if it is time. `state` returns the state of the training with an index."""
        self.state = state
        if time.monotonic() < self.due:
            return
        began = time.monotonic()
        for index, (one, (folder, name)) in enumerate(zip(self.trainings, self.works, strict=True)):
            if one.failure is None:
                with suppress(OSError):  # a full disk costs the checkpoint only; writing the result would report it
                    checkpoints.save(folder, name, one.step, packed(one, state(index)))
        took = time.monotonic() - began
        self.due = time.monotonic() + max(self.seconds, took / CHECKPOINT_SHARE)

    def last(self) -> None:
        """Write the last checkpoints of trainings that were interrupted, if one of them has begun."""
        self.due = 0.0
        if self.state is not None:
            self(self.state)


def restore(one: Training, folder: Path, name: str) -> None:
    """Continue a training from its newest checkpoint. One that does not fit is reported on stderr and ignored."""
    arrays = checkpoints.load(folder, name)
    if arrays is not None:
        try:
            resume(one, arrays)
        except (KeyError, ValueError) as problem:
            said = f"{folder}: the checkpoint of {name} does not fit ({problem}); training starts from the beginning"
            print(said, file=sys.stderr)
