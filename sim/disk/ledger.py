"""What the disk knows of runs that are not finished: waiting, running, failed, interrupted.

Everything unfinished of a run lies in one work folder: its lock, its last note, its checkpoints. A note is never
believed on its own: only who holds the lock is running.
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
Known: TypeAlias = Literal["done", "running", "failed", "interrupted", "waiting"]

STATUS, LOCK = "status.json", "lock"
FAILED = ".failed"
"""What follows the name of a run in the name of a record that violated an identity."""

_WORK = ".work"


@dataclass(frozen=True)
class RunState:
    """A run, how it stands, and the facts of its last note; `facts["holder"]` says who computes a running one."""

    run: str
    state: Known
    facts: Mapping[str, Any] = field(default_factory=dict)


def work(target: Path) -> Path:
    """The folder of everything unfinished of a run or of a pretraining."""
    return target.parent / _WORK / target.name


def claim(target: Path, wait: bool = False) -> Lock | None:
    """The lock that whoever computes `target` holds; None if somebody else holds it and `wait` is False."""
    return acquire(work(target) / LOCK, wait)


def note(target: Path, state: Noted, **facts: Any) -> None:
    """Say how a run stands; the facts are JSON, and replace those of the note before. Costs about 0.02 ms."""
    file = work(target) / STATUS
    content = {"state": state, "updated": time.time(), **facts}
    try:
        replace_json(file, content)
    except FileNotFoundError:  # no folder yet
        make_folder(file.parent)
        replace_json(file, content)


def clear(target: Path) -> None:
    """Remove the work folder of a run, its lock last. For who holds the lock; others may come right behind."""
    place = work(target)
    with suppress(FileNotFoundError):
        for entry in sorted(place.iterdir(), key=lambda entry: entry.name == LOCK):
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
    with suppress(OSError):  # gone, or somebody has just claimed the run anew
        place.rmdir()
    with suppress(OSError):  # other runs are at work
        place.parent.rmdir()


def states(folder: Path) -> list[RunState]:
    """Every run of which something lies below outputs/<name>, sorted by its hash."""
    names = {name.removesuffix(FAILED) for name in _folders(folder)} | set(_folders(folder / _WORK))
    found = [state(folder / name) for name in sorted(names)]
    return [one for one in found if one is not None]


def state(target: Path) -> RunState | None:
    """How a run stands; None if nothing lies on the disk of it.

    An interruption is believed when it is seen twice with the same note: a run that comes or ends while we look would
    have changed something by then.
    """
    before = None
    while True:
        found = _seen(target)
        if found is None or found.state != "interrupted" or found == before:
            return found
        before = found


def _seen(target: Path) -> RunState | None:
    """One look at the lock, then at the note, then at the record: the reverse of how a run changes them at its end."""
    if _finished(target):
        return RunState(target.name, "done")
    held = holder(work(target) / LOCK)
    content = read_json(work(target) / STATUS)
    said = content if isinstance(content, dict) else {}
    if _finished(target):
        return RunState(target.name, "done")
    facts = {key: value for key, value in said.items() if key != "state"}
    if held is not None:
        return RunState(target.name, "running", facts | {"holder": held})
    return _without_lock(target, said.get("state"), facts)


def _without_lock(target: Path, said: Any, facts: Mapping[str, Any]) -> RunState | None:
    """How a run stands that nobody computes and that is not finished."""
    if said == "waiting" or said == "failed":
        return RunState(target.name, said, facts)
    if any(name != LOCK and not name.startswith(".") for name in _entries(work(target))):
        return RunState(target.name, "interrupted", facts)  # after a crash of the machine the note may be torn
    failed = target.with_name(f"{target.name}{FAILED}")
    if _finished(failed):
        return RunState(target.name, "failed", {"reason": f"an identity is violated; the record lies at {failed}"})
    return None


def _finished(target: Path) -> bool:
    return os.path.isfile(target / MANIFEST)


def _folders(folder: Path) -> list[str]:
    """Names of the folders in a folder; without those of drafts and of work."""
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
