"""Checkpoints of a training: arrays restored bit for bit, the newest intact one."""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sim.files import FinishedError, complaint, discard, pack, publish, unpack, verified

_ARRAYS = "arrays.safetensors"


def save(folder: Path, name: str, step: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Publish the state of the training `name` after a number of steps, then remove its older checkpoints.

    A checkpoint of the same step is kept: it holds the same. If anything is raised, the older ones are still there.
    """
    if step < 0:
        raise ValueError(f"step: at least 0 is required, found {step}")
    try:
        publish(folder / f"{_prefix(name)}{step}", {_ARRAYS: pack(arrays)})
    except FinishedError:
        pass
    for earlier in _steps(folder, name):
        if earlier < step:
            discard(folder / f"{_prefix(name)}{earlier}")


def load(folder: Path, name: str) -> dict[str, np.ndarray] | None:
    """The newest intact checkpoint of the training `name`; None if there is none.

    A damaged one is removed, said in one line on stderr, and the one before it is tried.
    """
    for step in sorted(_steps(folder, name), reverse=True):
        place = folder / f"{_prefix(name)}{step}"
        try:
            return unpack(verified(place, [_ARRAYS])[_ARRAYS])
        except ValueError as problem:  # a SpecificationError too
            print(f"{complaint(place, problem)}; the checkpoint is removed", file=sys.stderr)
            discard(place)
    return None


def _prefix(name: str) -> str:
    return f"checkpoint-{name}-"


def _steps(folder: Path, name: str) -> list[int]:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    steps = [one.removeprefix(_prefix(name)) for one in names if one.startswith(_prefix(name))]
    return [int(step) for step in steps if step.isascii() and step.isdecimal()]
