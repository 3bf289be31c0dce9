"""The heartbeat of this process: every lock file that it holds is touched again and again.

A process on another host sees that the file changes. It compares no clocks: it only waits for a change.
"""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

BEAT = 5.0
"""Time between two beats [s]."""

DEAD = 60.0
"""A holder on another host counts as dead if its lock file has not changed for so long [s]."""

_held: dict[int, Path] = {}
_lost: set[int] = set()
_guard = threading.Lock()
_beating: list[int] = []  # the pid of the process whose thread beats: a forked child has no such thread


def hold(descriptor: int, file: Path) -> None:
    """Let a lock file be touched from now on. The descriptor is open until `let_go` is called."""
    with _guard:
        _held[descriptor] = file
        if _beating != [os.getpid()]:
            _beating[:] = [os.getpid()]
            threading.Thread(target=_beat, name="heartbeat", daemon=True).start()


def let_go(descriptor: int) -> None:
    """Touch a lock file no more."""
    with _guard:
        _held.pop(descriptor, None)
        _lost.discard(descriptor)


def lost(descriptor: int) -> bool:
    """Return whether the file at the path is another one by now. Then another process holds the lock."""
    return descriptor in _lost


def is_at(descriptor: int, file: Path) -> bool:
    """Return whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(file))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _beat() -> None:
    while True:
        time.sleep(BEAT)
        with _guard:
            if not _held:
                _beating.clear()
                return
            for descriptor, file in _held.items():
                with suppress(OSError):  # a file system that does not answer now may answer at the next beat
                    if is_at(descriptor, file):
                        os.utime(descriptor)
                    else:
                        _lost.add(descriptor)
