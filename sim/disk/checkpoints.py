"""Checkpoints of a training. The newest intact one is loaded, and its arrays are restored bit for bit."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sim.disk.files import FinishedError, complaint, discard, pack, publish, unpack, verified
from sim.numerics import SpecificationError

PREFIX = "checkpoint-"
"""Beginning of the names of checkpoints; the name of the training and the step follow."""

_ARRAYS, _ADDRESS = "arrays.safetensors", "address.json"


def save(folder: Path, name: str, step: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Publish the state of the training `name` after `step` steps, then remove all its other checkpoints.

    Later checkpoints are removed too, because they belong to an attempt that was given up. If publishing raises an
    error, no other checkpoint is removed.
    """
    if step < 0:
        raise ValueError(f"step: at least 0 is required, found {step}")
    place = folder / f"{_prefix(name)}{step}"
    files = {_ARRAYS: pack(arrays), _ADDRESS: _address(folder, name, step)}
    try:
        publish(place, files)
    except FinishedError:
        if not _holds(place, files):
            discard(place)
            publish(place, files)
    for other in _steps(folder, name):
        if other != step:
            discard(folder / f"{_prefix(name)}{other}")


def load(folder: Path, name: str) -> dict[str, np.ndarray] | None:
    """Return the arrays of the newest intact checkpoint of the training `name`; None if there is none.

    A checkpoint that is damaged, or that belongs to another training, is reported in one line on stderr and removed.
    Then the one before it is tried.
    """
    for step in sorted(_steps(folder, name), reverse=True):
        place = folder / f"{_prefix(name)}{step}"
        try:
            return read(place)
        except SpecificationError as problem:
            print(f"{complaint(place, problem)}; the checkpoint is removed", file=sys.stderr)
            discard(place)
    return None


def read(place: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a checkpoint. It raises SpecificationError if it is damaged or belongs elsewhere."""
    files = verified(place, [_ARRAYS, _ADDRESS])
    name, _, step = place.name.removeprefix(PREFIX).rpartition("-")
    wanted = _address(place.parent, name, int(step))
    if files[_ADDRESS] != wanted:
        found = files[_ADDRESS].decode(errors="replace")
        raise SpecificationError(f"{place}: the checkpoint {wanted.decode()} is required, found {found}")
    try:
        return unpack(files[_ARRAYS])
    except ValueError as problem:
        raise SpecificationError(complaint(place, problem)) from None


def _address(folder: Path, name: str, step: int) -> bytes:
    """Return the text that binds a checkpoint to its run or pretraining, its training and its step."""
    return json.dumps({"of": folder.name, "training": name, "step": step}).encode()


def _holds(place: Path, files: Mapping[str, bytes]) -> bool:
    try:
        return verified(place) == files
    except SpecificationError:
        return False


def _prefix(name: str) -> str:
    return f"{PREFIX}{name}-"


def _steps(folder: Path, name: str) -> list[int]:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    steps = [one.removeprefix(_prefix(name)) for one in names if one.startswith(_prefix(name))]
    return [int(step) for step in steps if step.isascii() and step.isdecimal()]
