"""Name a process so that another one can tell whether it still lives. Nothing is certain about other machines."""

import os
import socket
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

Fate: TypeAlias = Literal["alive", "dead", "unknown"]

_PROC = Path("/proc")


def identity(pid: int | None = None) -> dict[str, Any]:
    """Return the pid, the host, the place and the start of a process of this machine; None stands for this process.

    `place` names one boot of one kernel and one numbering of its processes, because two hosts may have the same name.
    `started` tells the process from a later one with the same pid. Both are None if the system does not say them.
    """
    return dict(_identity(os.getpid() if pid is None else pid))


@lru_cache(1)
def _identity(pid: int) -> Mapping[str, Any]:
    return {"pid": pid, "host": socket.gethostname(), "place": _place(), "started": _started(pid)}


def fate(said: Mapping[str, Any]) -> Fate:
    """Return whether the process with an `identity` lives. A process of another place may live or not."""
    pid = said.get("pid")
    if not isinstance(pid, int) or said.get("host") != socket.gethostname() or said.get("place", _place()) != _place():
        return "unknown"
    if not _exists(pid):
        return "dead"
    started = said.get("started")
    return "alive" if started is None or started == _started(pid) else "dead"


def is_certain(said: Mapping[str, Any]) -> bool:
    """Return whether an identity tells a process from any later one, so that it may be sent a signal."""
    return said.get("place") is not None and said.get("started") is not None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@cache
def _place() -> str | None:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink(_PROC / 'self/ns/pid')}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """Return the time when a process started, counted by its kernel; None if it has ended or cannot be looked up."""
    try:
        words = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] in ("Z", "X") else words[19]  # what waits to be collected by its parent has ended
