"""Locks between processes: a file locked by flock. The kernel frees the lock at once when its holder dies.

A holder has an exclusive lock. A process that only asks for the holder takes a shared lock for a moment. So an acquirer
that is refused can tell a holder from a process that asks. Only a holder removes a lock file. A lock on a file that is
no longer at its path is worthless, so the acquirer tries again.
"""

import errno
import fcntl
import json
import os
import random
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from sim.numerics import SpecificationError

_PAUSE, _TRIES = 0.001, 20  # a holder writes its signature a few microseconds after it gets the lock
_LENGTH = 512  # all signatures are padded to this: truncating an older one would make ext4 write to the disk at once
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass
class Lock:
    """A lock that this process holds until `release`, the end of the `with` block, or the death of the process."""

    file: Path
    _descriptor: int | None = field(repr=False)

    def release(self) -> None:
        """Remove the lock file if it is still ours, and free the lock. A second call does nothing."""
        if self._descriptor is None:
            return
        try:
            if _is_at(self._descriptor, self.file):  # the folder may be gone by now, or belong to another process
                self.file.unlink()
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # closing is not enough if a child is between fork and exec
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "Lock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire(file: Path, wait: bool = False) -> Lock | None:
    """Lock a file; it and its folders are made if missing. The file then holds the pid, host and since [epoch s].

    It returns None if `wait` is False and another process, or another Lock of this process, holds the lock.
    It raises SpecificationError if the file system does not support locks.
    """
    while True:
        descriptor = _open(file)
        try:
            got = _locked(descriptor, wait)
            if _is_at(descriptor, file):
                if got:
                    _sign(descriptor)
                    held, descriptor = descriptor, -1
                    return Lock(file, held)
                return None
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def holder(file: Path) -> dict[str, Any] | None:
    """Return pid, host and since of the holder; None if the lock is free, even if a dead holder left a signature.

    This never prevents a process from acquiring the lock. The three values are None if the holder has not written them.
    """
    said: dict[str, Any] | None = None
    for _ in range(_TRIES):
        try:
            descriptor = os.open(file, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            if _flocked(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB):
                return None
            said = _signed(descriptor)
        finally:
            os.close(descriptor)
        if said is not None and not _dead(said):
            return said
        time.sleep(_PAUSE)  # the holder is so new that the file is empty or still names its dead predecessor
    return said or dict.fromkeys(("pid", "host", "since"))


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, even while other processes remove empty folders."""
    for _ in range(_TRIES):
        try:
            return folder.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError):  # the folder existed when pathlib made it and was gone right after
            continue
    folder.mkdir(parents=True, exist_ok=True)


def _open(file: Path) -> int:
    for _ in range(_TRIES):
        try:
            return os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # the folder does not exist yet, or a finishing holder is removing it
            make_folder(file.parent)
    return os.open(file, os.O_RDWR | os.O_CREAT, 0o666)


def _locked(descriptor: int, wait: bool) -> bool:
    """Try to take the exclusive lock; False only if another descriptor has the exclusive lock."""
    if wait:
        return _flocked(descriptor, fcntl.LOCK_EX)
    while not _flocked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
        if not _flocked(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # only a process that asks was in the way
        time.sleep(random.uniform(0, _PAUSE))
    return True


def _flocked(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    except OSError as problem:
        if problem.errno not in _UNSUPPORTED:
            raise
        raise SpecificationError(
            f"outputs: a file system with file locks (flock) is required, found one without them ({problem.strerror}); "
            "choose another with outputs=..."
        ) from None
    return True


def _is_at(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(file))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _sign(descriptor: int) -> None:
    said = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
    os.pwrite(descriptor, json.dumps(said).encode().ljust(_LENGTH), 0)


def _signed(descriptor: int) -> dict[str, Any] | None:
    try:
        said = json.loads(os.pread(descriptor, _LENGTH, 0))
    except ValueError:
        return None
    whole = isinstance(said, dict) and {"pid", "host", "since"} <= set(said) and isinstance(said["pid"], int)
    return said if whole else None


def _dead(said: dict[str, Any]) -> bool:
    """Return whether the holder is certainly dead. Nothing is certain about a process on another host."""
    if said["host"] != socket.gethostname():
        return False
    try:
        os.kill(said["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
