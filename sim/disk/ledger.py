"""The state of every run on the disk: waiting, running, failed, interrupted, done or misplaced.

Each unfinished run has one work folder with its lock, its last note and its checkpoints. A note alone is never
trusted: a run counts as running only while a process holds its lock.
"""

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from sim.disk.files import MANIFEST, read_json, replace_json
from sim.disk.locks import Lock, acquire, holder, make_folder

Noted: TypeAlias = Literal["waiting", "running", "failed"]
Known: TypeAlias = Literal["done", "running", "failed", "interrupted", "misplaced", "waiting"]

STATUS, LOCK = "status.json", "lock"
DESCRIPTION = "run.json"
"""Name of the file of a record that holds everything but its arrays."""

FAILED = ".failed"
"""Ending of the name of a record that violates an identity; it follows the name of the run."""

WORK = ".work"
"""Name of the folder that holds the work folders of unfinished runs or pretrainings."""

_TRIES = 5


@dataclass(frozen=True)
class RunState:
    """A run, its state, and the facts of its last note. If it is running, `facts["holder"]` names the process."""

    run: str
    state: Known
    facts: Mapping[str, Any] = field(default_factory=dict)


def work(target: Path) -> Path:
    """Return the work folder of an unfinished run or pretraining."""
    return target.parent / WORK / target.name


def claim(target: Path, wait: bool = False) -> Lock | None:
    """Take the lock that a process holds while it computes `target`; None if it is taken and `wait` is False."""
    return acquire(work(target) / LOCK, wait)


def note(target: Path, state: Noted, **facts: Any) -> None:
    """Write the state of a run. The facts are JSON and replace those of the previous note. This takes about 0.02 ms."""
    file = work(target) / STATUS
    content = {"state": state, "updated": time.time(), **facts}
    for _ in range(_TRIES):
        try:
            replace_json(file, content)
        except FileNotFoundError:  # the folder does not exist yet, or another process has just removed it
            make_folder(file.parent)
        else:
            return
    replace_json(file, content)


def clear_up(target: Path) -> None:
    """Remove the work folder of something finished, if possible. A process that ended just after publishing left it."""
    with suppress(OSError):  # a folder that can only be read can still be used
        lock = acquire(work(target) / LOCK, brief=True) if work(target).exists() else None
        if lock is not None:
            with lock:
                clear(target)


def clear(target: Path) -> None:
    """Remove the work folder of a run, its lock last. Only the holder may call this; another may claim the run next."""
    place = work(target)
    with suppress(FileNotFoundError):
        for entry in sorted(place.iterdir(), key=lambda entry: entry.name == LOCK):
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
    with suppress(OSError):  # it is gone, or another process has just claimed the run again
        place.rmdir()
    with suppress(OSError):  # other runs still have work folders
        place.parent.rmdir()


def states(folder: Path) -> list[RunState]:
    """Return the state of every run that has files below outputs/<name>, sorted by hash.

    A finished record counts as misplaced if it says that it belongs to another run, as a copy does. Nothing else of it
    is looked at, so that this stays quick.
    """
    names = {name.removesuffix(FAILED) for name in _folders(folder)} | set(_folders(folder / WORK))
    found = [state(folder / name) for name in sorted(names)]
    return [_placed(folder / one.run) if one.state == "done" else one for one in found if one is not None]


def _placed(target: Path) -> RunState:
    """Return the state of a run that has a record. A record that cannot be read is not known to be misplaced."""
    about = read_json(target / DESCRIPTION)
    named = about.get("hash") if isinstance(about, dict) else None
    if not isinstance(named, str) or named == target.name:
        return RunState(target.name, "done")
    reason = f"it is the record of run {named}; python -m sim.verify {target.parent} says what to do"
    return RunState(target.name, "misplaced", {"reason": reason})


def state(target: Path, patient: bool = False) -> RunState | None:
    """Return the state of a run; None if there is nothing about it on the disk.

    A holder on another host is believed. With `patient`, its heartbeat is watched first (`sim.disk.locks`). A run
    counts as interrupted only if two looks in a row find this with the same note. A run that starts or ends between the
    looks would have changed something.
    """
    before = None
    while True:
        found = _seen(target, patient)
        if found is None or found.state != "interrupted" or found == before:
            return found
        before = found


def _seen(target: Path, patient: bool) -> RunState | None:
    """Look at the lock, the note and the record, in this order. A run that ends changes them in the reverse order."""
    if _finished(target):
        return RunState(target.name, "done")
    held = holder(work(target) / LOCK, patient)
    content = read_json(work(target) / STATUS)
    said = content if isinstance(content, dict) else {}
    if _finished(target):
        return RunState(target.name, "done")
    facts = {key: value for key, value in said.items() if key != "state"}
    if held is not None:
        return RunState(target.name, "running", facts | {"holder": held})
    return _without_lock(target, said.get("state"), facts)


def _without_lock(target: Path, said: Any, facts: Mapping[str, Any]) -> RunState | None:
    """Return the state of a run that no process computes and that is not finished."""
    if said == "waiting" or said == "failed":
        return RunState(target.name, said, facts)
    if any(name != LOCK and not name.startswith(".") for name in _entries(work(target))):
        return RunState(target.name, "interrupted", facts)  # after a machine crash the note may be incomplete
    failed = target.with_name(f"{target.name}{FAILED}")
    if _finished(failed):
        return RunState(target.name, "failed", {"reason": f"an identity is violated; the record is at {failed}"})
    return None


def _finished(target: Path) -> bool:
    return os.path.isfile(target / MANIFEST)


def _folders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, without drafts and the work folder."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
