"""Checkpoints of trainings that go on together: written now and then, and taken up again."""

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
"""The share of the time that writing checkpoints may take."""


class Saver:
    """Writes checkpoints now and then, seldom enough that they take little of the time."""

    def __init__(self, trainings: Sequence[Training], works: Sequence[tuple[Path, str]], seconds: float) -> None:
        self.trainings, self.works, self.seconds = trainings, works, seconds
        self.due = time.monotonic() + seconds

    def __call__(self, state: Callable[[int], State]) -> None:
        """Write them if it is time; `state` gives that of the training of an index."""
        if time.monotonic() < self.due:
            return
        began = time.monotonic()
        for index, (one, (folder, name)) in enumerate(zip(self.trainings, self.works, strict=True)):
            if one.failure is None:
                with suppress(OSError):  # a full disk costs the checkpoint; the result will say so itself
                    checkpoints.save(folder, name, one.step, packed(one, state(index)))
        took = time.monotonic() - began
        self.due = time.monotonic() + max(self.seconds, took / CHECKPOINT_SHARE)


def restore(one: Training, folder: Path, name: str) -> None:
    """Go on from the newest checkpoint, if there is one that fits."""
    arrays = checkpoints.load(folder, name)
    if arrays is not None:
        try:
            resume(one, arrays)
        except (KeyError, ValueError) as problem:
            said = f"{folder}: its checkpoint of {name} does not fit ({problem}); it is trained from the start"
            print(said, file=sys.stderr)
