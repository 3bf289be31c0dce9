"""Locks between processes. They also work where no host sees the flock of another one, or where flock does nothing.

A claim is a signed file that appears at its path in one step (a hard link), so only one process can create it. It is
removed by its holder, or by others once the holder is dead. The holder is alive if the file is locked by flock; if its
process lives on this machine; or, on another host, if the file keeps changing, because a holder touches it again and
again (`heartbeat`). So flock is a fast answer, and nothing depends on it.

A dead holder's file is removed by one process at a time. The right to remove it is a lock too; its name contains the
claim. So no process can remove a newer claim by mistake, even if it was slow.
"""

import errno
import fcntl
import hashlib
import json
import os
import random
import secrets
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from sim.disk import heartbeat
from sim.disk.heartbeat import is_at
from sim.disk.processes import fate, identity
from sim.numerics import SpecificationError
from sim.places import reason

_PAUSE, _LONG, _TRIES = 0.001, 0.5, 20
_LENGTH = 4096  # more than any signature
_NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_NO_LINK = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK)

_OURSELVES = secrets.token_hex(8)  # with the pid, it names this process among those of all hosts
_alive: dict[Any, float] = {}  # processes of other hosts, and when their heartbeat was seen [s, monotonic]
_dead: set[Any] = set()


@dataclass
class Lock:
    """A lock that this process holds until `release`, the end of the `with` block, or the death of the process."""

    file: Path
    _descriptor: int | None = field(repr=False)

    @property
    def lost(self) -> bool:
        """Whether another process has taken the lock, because this process gave no sign of life for too long."""
        return self._descriptor is not None and heartbeat.lost(self._descriptor)

    def release(self) -> None:
        """Remove the lock file if it is still ours, and free the lock. A second call does nothing."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        heartbeat.let_go(descriptor)
        try:
            if is_at(descriptor, self.file):  # the folder may be gone by now, or belong to another process
                self.file.unlink()
        finally:
            _flocked(descriptor, fcntl.LOCK_UN)  # closing is not enough if a child is between fork and exec
            os.close(descriptor)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@dataclass(frozen=True)
class _Claim:
    """A lock file as it was seen: its content, what it says, when it was touched, and whether it was flocked."""

    content: bytes
    said: dict[str, Any] | None
    touched: tuple[int, int]
    flocked: bool


def acquire(file: Path, wait: bool = False, brief: bool = False) -> Lock | None:
    """Lock a file; it and its folders are made if missing. The file then holds the pid, host and since [epoch s].

    It returns None if `wait` is False and another process, or another Lock of this process, holds the lock. A holder on
    another host may be dead without a trace. So its heartbeat is watched for up to `heartbeat.DEAD` seconds, once for
    each process. A `brief` lock has no heartbeat, and every holder on another host is believed: it is for moments, such
    as writing a file. It raises SpecificationError if the file system has no hard links.
    """
    return _acquired(file, wait, patient=not brief, beating=not brief)


def _acquired(file: Path, wait: bool, patient: bool, beating: bool) -> Lock | None:
    pause = _PAUSE
    while True:
        if _holding(file, patient) is None:
            lock = _created(file, beating)
            if lock is not None:
                return lock
        elif not wait:
            return None
        else:
            time.sleep(pause)
            pause = min(2 * pause, _LONG)


def holder(file: Path, patient: bool = False) -> dict[str, Any] | None:
    """Return pid, host and since of the holder; None if the lock is free, even if a dead holder left a signature.

    This never prevents a process from acquiring the lock. The three values are None if they cannot be read. A holder on
    another host is believed, unless `patient` is True or it is known to be dead: see `acquire`.
    """
    seen = _seen(file)
    if seen is None or not _lives(file, seen, patient):
        return None
    return {key: (seen.said or {}).get(key) for key in ("pid", "host", "since")}


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, even while other processes remove empty folders."""
    for _ in range(_TRIES):
        try:
            return folder.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError):  # the folder existed when pathlib made it and was gone right after
            continue
    folder.mkdir(parents=True, exist_ok=True)


# -- claims -----------------------------------------------------------------------------------------------------------


def _created(file: Path, beating: bool) -> Lock | None:
    """Put a signed and locked file at a path in one step; None if another process was faster."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = -1
    try:
        descriptor = _signed_draft(draft)
        _flocked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _linked(descriptor, draft, file):
            return None
        if beating:
            heartbeat.hold(descriptor, file)
        held, descriptor = descriptor, -1
        return Lock(file, held)
    finally:
        draft.unlink(missing_ok=True)
        if descriptor >= 0:
            os.close(descriptor)


def _linked(descriptor: int, draft: Path, file: Path) -> bool:
    try:
        os.link(draft, file)
    except FileExistsError:
        return os.fstat(descriptor).st_nlink == 2  # the answer of an NFS server was lost, and the link was made
    except FileNotFoundError:  # a holder that has finished is removing the folder
        return False
    except OSError as problem:
        if problem.errno not in _NO_LINK:
            raise
        raise SpecificationError(
            f"outputs: a file system with hard links is required, found one without them ({reason(problem)}); "
            "choose another with outputs=..."
        ) from None
    return True


def _signed_draft(file: Path) -> int:
    """Write a signed file and open it. It is closed in between, because NFS then shows its content to other hosts."""
    said = {**identity(), "since": time.time(), "process": _OURSELVES, "claim": secrets.token_hex(8)}
    for attempt in range(_TRIES + 1):
        try:
            with open(file, "xb") as draft:
                draft.write(json.dumps(said).encode())
            return os.open(file, os.O_RDWR)
        except FileNotFoundError:  # the folder does not exist yet, or a finishing holder is removing it
            if attempt == _TRIES:
                raise
            make_folder(file.parent)
    raise AssertionError("the last attempt returns or raises")


def _seen(file: Path) -> _Claim | None:
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        content, found = os.pread(descriptor, _LENGTH, 0), os.fstat(descriptor)
        free = _flocked(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return _Claim(content, _signed(content), (found.st_ino, found.st_mtime_ns), not free)
    finally:
        os.close(descriptor)


def _signed(content: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(content)
    except ValueError:
        return None
    whole = isinstance(said, dict) and {"pid", "host", "since"} <= set(said) and isinstance(said["pid"], int)
    return said if whole else None


def _flocked(descriptor: int, operation: int) -> bool:
    """Lock or unlock an open file; False only if another descriptor has a lock. Without flock, it is as if granted."""
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    except OSError as problem:
        if problem.errno not in _NO_FLOCK:
            raise
    return True


# -- the life of a holder ---------------------------------------------------------------------------------------------


def _holding(file: Path, patient: bool) -> _Claim | None:
    """Return the claim of a holder that lives; None if nothing is at the path. The file of a dead holder is removed."""
    while (seen := _seen(file)) is not None and not _lives(file, seen, patient):
        _bury(file, seen)
    return seen


def _lives(file: Path, seen: _Claim, patient: bool) -> bool:
    """Return whether the holder of a lock lives. The file of a holder that never signed it is worthless."""
    if seen.flocked or seen.said is None:
        return seen.flocked
    known = fate(seen.said)
    if known != "unknown":
        return known == "alive"
    who = tuple(seen.said.get(key) for key in ("host", "pid", "process"))
    if who not in _dead and patient and time.monotonic() - _alive.get(who, -heartbeat.DEAD) >= heartbeat.DEAD:
        _watch(file, seen, who)
    return who not in _dead


def _watch(file: Path, seen: _Claim, who: tuple[Any, ...]) -> None:
    """Wait until the lock file changes, or has not changed for too long. Then its process is known to be dead."""
    said, began, told = seen.said or {}, time.monotonic(), False
    while time.monotonic() - began < heartbeat.DEAD:
        time.sleep(heartbeat.BEAT / 10)
        now = _seen(file)
        if now is None or now.touched != seen.touched:
            _alive[who] = time.monotonic()
            return
        if not told and time.monotonic() - began > 2 * heartbeat.BEAT:
            told = True
            who_said = f"process {said.get('pid')} on {said.get('host')} holds it and gives no sign of life"
            print(f"{file}: {who_said}; it counts as dead after {heartbeat.DEAD:g} s", file=sys.stderr, flush=True)
    _dead.add(who)


def _bury(file: Path, dead: _Claim) -> None:
    """Remove the file of a dead holder, unless another process does so just now or has done so."""
    name = hashlib.sha256(dead.content).hexdigest()[:16]
    right = _acquired(file.with_name(f".{file.name}.{name}.free"), wait=False, patient=True, beating=False)
    if right is None:
        time.sleep(random.uniform(0, _PAUSE))
        return
    with right:
        now = _seen(file)
        if now is not None and now.content == dead.content:
            file.unlink()
