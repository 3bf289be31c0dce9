"""Locks between processes: a file locked by flock, which the kernel frees at once when its holder dies.

Holders lock exclusively; who only asks locks shared for a moment. So an acquirer that is turned away can tell a holder
from somebody who asked. Only a holder removes a lock file. Whoever gets the lock of a file that is no longer at its
path has got nothing, and tries again.
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

_PAUSE, _TRIES = 0.001, 20  # a holder writes its name a few microseconds after it has got the lock
_LENGTH = 512  # of every signature, padded: truncating an older one would make ext4 write to the disk at once
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass
class Lock:
    """A lock that this process holds until `release`, the end of its `with` block, or its death."""

    file: Path
    _descriptor: int | None = field(repr=False)

    def release(self) -> None:
        """Remove the lock file, if it is still ours, and free the lock; a second call does nothing."""
        if self._descriptor is None:
            return
        try:
            if _is_at(self._descriptor, self.file):  # the work folder may be gone, or be another's by now
                self.file.unlink()
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # now, even if a child is just between fork and exec
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "Lock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire(file: Path, wait: bool = False) -> Lock | None:
    """Lock a file, which is made together with its folders; held, it says the holder's pid, host and since [epoch s].

    None if it is held already, by another process or by another Lock of this one, and `wait` is False.
    Raises SpecificationError where the file system knows no locks.
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
    """Who holds a lock now (pid, host, since); None if nobody does, whatever a dead holder has left in the file.

    Never keeps anybody from acquiring the lock. The three values are None where the holder has not said them.
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
        time.sleep(_PAUSE)  # the holder has just come, and the file says nothing yet, or its dead predecessor
    return said or dict.fromkeys(("pid", "host", "since"))


def make_folder(folder: Path) -> None:
    """Make a folder and what is missing above it, even while others remove what they find empty."""
    for _ in range(_TRIES):
        try:
            return folder.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError):  # pathlib finds it there, looks again, and it is gone
            continue
    folder.mkdir(parents=True, exist_ok=True)


def _open(file: Path) -> int:
    for _ in range(_TRIES):
        try:
            return os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # no folder yet, or one that a finishing holder removes just now
            make_folder(file.parent)
    return os.open(file, os.O_RDWR | os.O_CREAT, 0o666)


def _locked(descriptor: int, wait: bool) -> bool:
    """Whether the exclusive lock was got; False only if somebody else has it exclusively."""
    if wait:
        return _flocked(descriptor, fcntl.LOCK_EX)
    while not _flocked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
        if not _flocked(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # it was only somebody who asked
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
            f"outputs: a file system with file locks (flock) is required, found one without ({problem.strerror}); "
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
    """Whether it is certain that a holder lives no more; of another host nothing is certain."""
    if said["host"] != socket.gethostname():
        return False
    try:
        os.kill(said["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
