"""Engines: a child process for a worker, how it ends and why, and the lifeline that no child outlives."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.numerics import SpecificationError
from sim.running.build import settings
from sim.running.engines import Ending, engine, inline, processes
from sim.running.engines.processes import Child
from tests.composed import ROOT, compose
from tests.laws.lab.engines import gentle

DEADLINE = 60.0  # [s], far beyond what any child needs

Start = Callable[[str], Child]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts a child that runs the given shell script in place of a worker."""

    def started(script: str) -> Child:
        stub = tmp_path / "stub"
        stub.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        stub.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(stub))
        return processes.Engine(2).submit(tmp_path / "worker-0.json")

    return started


def ending(child: Child) -> Ending:
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        found = child.ended()
        if found is not None:
            return found
        time.sleep(0.01)
    raise AssertionError("the child does not end")


def until(said: str, child: Child) -> None:
    """Wait for a word in the log."""
    deadline = time.monotonic() + DEADLINE
    while said not in child.log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


ENDINGS = [
    # script of the child, the reason in one line
    ("echo fine", ""),
    (
        "echo one; echo 'ValueError: two'; echo; exit 3",
        "its process ended with exit status 3: ValueError: two; see LOG",
    ),
    ("exit 1", "its process ended with exit status 1: its log is empty; see LOG"),
    ("kill -KILL $$", "its process was killed by SIGKILL; if memory ran out, lower hydra.launcher.max_runs"),
    ("kill -TERM $$", "its process was killed by SIGTERM; see LOG"),
    ("kill -ABRT $$", "its process was killed by SIGABRT; see LOG"),
]


@pytest.mark.parametrize(("script", "reason"), ENDINGS, ids=[script for script, _ in ENDINGS])
def test_how_a_child_ends(script: str, reason: str, start: Start) -> None:
    child = start(script)
    assert ending(child) == Ending(reason.replace("LOG", str(child.log)))


def test_a_child_is_told_what_to_do(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    child = start('echo "$@"; echo "[$HYDRA_FULL_ERROR]"; echo to stderr >&2; cat; echo end of stdin')
    until("to stderr", child)
    assert child.ended() is None, "its stdin is open as long as the driver lives"
    assert os.getsid(child.process.pid) == child.process.pid, "Ctrl-C does not reach it"
    assert child.process.stdin is not None
    child.process.stdin.close()
    assert ending(child) == Ending()
    log = (tmp_path / "worker-0.log").read_text(encoding="utf-8").splitlines()
    told = f"-X faulthandler -m sim.running.worker {tmp_path / 'worker-0.json'} --lifeline --beside=2"
    assert log == [told, "[]", "to stderr", "end of stdin"]


def test_a_log_is_continued_and_never_overwritten(start: Start) -> None:
    for word in ("first", "second"):
        child = start(f"echo {word}")
        ending(child)
    assert child.log.read_text(encoding="utf-8") == "first\nsecond\n"


def test_a_real_worker_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "optax.py").write_text("raise ImportError('broken')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(ROOT)
    task = tmp_path / "worker-0.json"
    run = settings(compose()) | {"outputs": str(tmp_path)}
    task.write_text(json.dumps({"runs": [run], "execution": {}}), encoding="utf-8")
    child = processes.Engine().submit(task)
    reason = f"its process ended with exit status 1: ImportError: broken; see {task.with_suffix('.log')}"
    assert ending(child) == Ending(reason)


def test_the_engine_of_the_guide_is_gentle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = tmp_path / "stub"
    stub.write_text("#!/bin/sh\nexec sleep 1000\n", encoding="utf-8")
    stub.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stub))
    gentle.check(2, {})
    with pytest.raises(SpecificationError, match="engine=gentle"):
        gentle.check(2, {"nodes": 2})
    child = gentle.Engine(2).submit(tmp_path / "worker-0.json")
    assert os.getpriority(os.PRIO_PROCESS, child.process.pid) == 19
    child.cancel()
    assert child.ended() is not None


def test_cancel(start: Start) -> None:
    child = start("echo ready; exec sleep 1000")
    until("ready", child)
    child.cancel()
    assert child.process.returncode == -signal.SIGTERM


@pytest.mark.parametrize("deaf", ["trap '' TERM; echo ready; while :; do sleep 1; done", "echo ready; kill -STOP $$"])
def test_a_child_that_does_not_listen_is_killed(deaf: str, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 0.2)
    child = start(deaf)
    until("ready", child)
    child.cancel()
    assert child.process.returncode == -signal.SIGKILL


def test_impatience_kills_too(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    child = start("trap '' TERM; echo ready; while :; do sleep 1; done")
    until("ready", child)
    waits = [KeyboardInterrupt]

    def wait(timeout: float | None = None) -> int:
        if waits:
            raise waits.pop()
        return subprocess.Popen.wait(child.process, timeout)

    monkeypatch.setattr(child.process, "wait", wait)
    with pytest.raises(KeyboardInterrupt):
        child.cancel()
    assert child.process.returncode == -signal.SIGKILL


def test_inline_works_at_once_and_lets_exceptions_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Path] = []
    monkeypatch.setattr(inline, "work", done.append)
    worker = inline.Engine().submit(tmp_path)
    assert (done, worker.ended()) == ([tmp_path], Ending())
    worker.cancel()
    monkeypatch.setattr(inline, "work", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        inline.Engine().submit(tmp_path)


def test_engines_by_name() -> None:
    assert engine("processes", 3, {}) == processes.Engine(3)
    assert engine("inline", 1, {}) == inline.Engine(1)
