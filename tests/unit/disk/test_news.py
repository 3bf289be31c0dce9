"""News of runs: since when a note has not changed, by the watcher's own clock and by that of the file system."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from sim.disk.ledger import STATUS, RunState, clear, note, work
from sim.disk.news import FileClock, News


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def aged(target: Path, seconds: float) -> None:
    """Make the note of a run older, on the clock of the file system."""
    file = work(target) / STATUS
    then = file.stat().st_mtime - seconds
    os.utime(file, (then, then))


def running(name: str, **holder: Any) -> RunState:
    return RunState(name, "running", {"holder": holder})


def silent(runs: list[RunState]) -> list[Any]:
    return [run.facts.get("silent") for run in runs]


def test_a_watcher_measures_with_its_own_clock(tmp_path: Path) -> None:
    clock, target = Clock(), tmp_path / "a"
    news = News(clock)
    assert news.silence(target) == 0.0
    clock.now += 5
    assert news.silence(target) == 5.0, "no note is no news"
    note(target, "running", step=1)
    assert news.silence(target) == 0.0
    clock.now += 7
    assert news.silence(target) == 7.0
    aged(target, 1000.0)  # any change is news, whatever time the file claims
    assert news.silence(target) == 0.0
    clock.now += 1
    clear(target)
    assert news.silence(target) == 0.0, "the end of a run is news"


def test_who_looks_once_compares_with_the_clock_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note(tmp_path / "a", "running")
    aged(tmp_path / "a", 300.0)
    monkeypatch.setattr(time, "time", lambda: 0.0)  # the clock of this host is wrong
    (age,) = silent(News().told([(tmp_path / "a", running("a", pid=1, host="x"))]))
    assert age == pytest.approx(300.0, abs=30.0)
    assert [file.name for file in work(tmp_path / "a").iterdir()] == [STATUS], "nothing is left"


def test_where_no_file_can_be_made_the_clock_of_the_host_must_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    assert abs(FileClock().now(tmp_path) - time.time()) < 60.0


def test_a_worker_is_as_silent_as_the_newest_note_of_its_runs(tmp_path: Path) -> None:
    clock = Clock()
    news = News(clock)
    for name in "abc":
        note(tmp_path / name, "running", step=0)
    mine, other = {"pid": 1, "host": "x"}, {"pid": 1, "host": "y"}
    runs = [(tmp_path / name, running(name, **who)) for name, who in (("a", mine), ("b", mine), ("c", other))]
    runs.append((tmp_path / "d", RunState("d", "waiting")))
    assert silent(news.told(runs))[3] is None
    clock.now += 200.0
    note(tmp_path / "b", "running", step=1)
    first, second, third, _ = silent(news.told(runs))
    assert first == second == 0.0
    assert third == pytest.approx(200.0, abs=30.0)
