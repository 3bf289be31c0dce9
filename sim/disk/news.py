"""Since when there is no news of a run. No clock of one host is compared with that of another.

A process that watches sees the note of a run change, and measures from there with its own monotonic clock. For what was
before its first look, the time of the note is compared with that of a new file on the same file system.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sim.disk.ledger import STATUS, RunState, work

QUIET = 120.0
"""A worker without news for so long is called so [s]. A large program may be compiled for about this time."""


def silent_for(seconds: float) -> str:
    """Return the reason for which a worker without news is ended."""
    return f"no news for {seconds:g} s, the limit hydra.launcher.timeout_seconds"


class News:
    """How long the notes of runs have not changed, as this process has seen it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Path, tuple[tuple[int, int] | None, float]] = {}

    def silence(self, target: Path, before: float = 0.0) -> float:
        """Return since when the note of a run has not changed [s]. At the first look it is taken to be `before`."""
        now, stamp = self._clock(), _stamp(target)
        known = self._seen.get(target)
        if known is None or known[0] != stamp:
            self._seen[target] = stamp, now - (before if known is None else 0.0)
        return now - self._seen[target][1]

    def told(self, runs: Iterable[tuple[Path, RunState]]) -> list[RunState]:
        """Return runs; those that are running with the fact `silent`: how long their worker has given no news [s].

        A worker notes its runs one after the other, so each of its runs is as silent as the newest of their notes.
        """
        found, now = list(runs), FileClock()
        silent: dict[tuple[str, str], float] = {}
        for target, run in found:
            if run.state == "running":
                age = self.silence(target, 0.0 if target in self._seen else now.age(work(target) / STATUS))
                silent[_worker(run)] = min(age, silent.get(_worker(run), age))
        return [
            replace(run, facts={**run.facts, "silent": silent[_worker(run)]}) if run.state == "running" else run
            for _, run in found
        ]


class FileClock:
    """The clocks of file systems: each is asked once, by a file without a name that is made there for a moment."""

    def __init__(self) -> None:
        self._now: dict[Path, float] = {}

    def now(self, folder: Path) -> float:
        """Return the time of the file system of a folder; that of this host if no file can be made there [epoch s]."""
        if folder not in self._now:
            self._now[folder] = time.time()
            with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
                self._now[folder] = os.fstat(file.fileno()).st_mtime
        return self._now[folder]

    def age(self, file: Path) -> float:
        """Return the time since a file was written [s]; 0 if there is none."""
        try:
            return max(self.now(file.parent.parent) - file.stat().st_mtime, 0.0)
        except OSError:
            return 0.0


def _stamp(target: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(work(target) / STATUS)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _worker(run: RunState) -> tuple[str, str]:
    holder = run.facts.get("holder") or {}
    return str(holder.get("host")), str(holder.get("pid"))
