"""Locks where flock is ignored, as between the hosts of some NFS and Lustre: stand-ins play these file systems."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.disk import heartbeat, ledger, locks, processes
from sim.disk.locks import Lock, acquire, holder
from tests.unit.faults import hear, kill, race, start

DEADLINE = 60.0  # [s]

ELSEWHERE = """
import fcntl, sys
from pathlib import Path
from sim.disk import heartbeat, locks, processes
fcntl.flock = lambda *_: None
if sys.argv[2] != "here":
    processes._place = lambda: f"host {sys.argv[2]} {__import__('os').getpid()}"
heartbeat.BEAT, heartbeat.DEAD = 0.05, float(sys.argv[3])
from sim.disk.locks import acquire
"""

HOLD = f"""{ELSEWHERE}
lock = acquire(Path(sys.argv[1]))
print(lock is not None, flush=True)
while sys.stdin.readline():
    print(lock.lost, flush=True)
"""


@pytest.fixture
def ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system where flock always succeeds."""
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Choose how long a holder may be silent."""
    monkeypatch.setattr(locks, "_alive", {})
    monkeypatch.setattr(locks, "_dead", set())

    def chosen(dead: float) -> None:
        monkeypatch.setattr(heartbeat, "BEAT", 0.05)
        monkeypatch.setattr(heartbeat, "DEAD", dead)

    return chosen


def held(file: Path, wait: bool = False) -> Lock:
    lock = acquire(file, wait)
    assert lock is not None
    return lock


@pytest.mark.usefixtures("ignored")
def test_one_process_holds_it_once(tmp_path: Path) -> None:
    with held(tmp_path / "lock"):
        assert acquire(tmp_path / "lock") is None
        said = holder(tmp_path / "lock")
        assert said is not None
        assert said["pid"] == os.getpid()
    assert holder(tmp_path / "lock") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("ignored")
def test_on_one_host_the_process_counts_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    child = start(HOLD, tmp_path / "lock", "here", 60)
    assert hear(child) == "True"
    assert acquire(tmp_path / "lock") is None
    assert acquire(tmp_path / "lock", brief=True) is None
    kill(child)
    assert holder(tmp_path / "lock") is None
    with held(tmp_path / "lock"):
        assert [file.name for file in tmp_path.iterdir()] == ["lock"]


@pytest.mark.usefixtures("ignored")
def test_another_process_with_the_same_pid_is_not_the_holder(tmp_path: Path) -> None:
    said: dict[str, Any] = {**processes.identity(), "since": 1.0, "started": "1"}
    (tmp_path / "lock").write_text(json.dumps(said))
    assert holder(tmp_path / "lock") is None
    held(tmp_path / "lock").release()


@pytest.mark.usefixtures("ignored")
def test_a_holder_on_another_host_that_beats_is_never_displaced(tmp_path: Path, hasty: Callable[[float], None]) -> None:
    hasty(DEADLINE)
    child = start(HOLD, tmp_path / "lock", "elsewhere", DEADLINE)
    assert hear(child) == "True"
    assert acquire(tmp_path / "lock") is None, "its heartbeat was seen, or this would have taken a minute"
    assert holder(tmp_path / "lock", patient=True) is not None
    kill(child)


@pytest.mark.usefixtures("ignored")
def test_a_dead_holder_on_another_host_is_found_out_once_for_all_its_locks(
    tmp_path: Path, hasty: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    hasty(0.3)
    child = start(HOLD, tmp_path / "lock", "elsewhere", 60)
    assert hear(child) == "True"
    kill(child)
    (tmp_path / "other").write_text((tmp_path / "lock").read_text())
    assert holder(tmp_path / "lock") is not None, "nothing is known yet"
    assert acquire(tmp_path / "lock", brief=True) is None, "who is brief believes it"
    held(tmp_path / "lock").release()
    (line,) = capsys.readouterr().err.splitlines()
    assert f"process {child.pid} on " in line
    assert line.endswith("gives no sign of life; it counts as dead after 0.3 s")
    hasty(DEADLINE)
    assert holder(tmp_path / "other") is None, "the process is known to be dead"
    held(tmp_path / "other").release()


def test_a_holder_that_was_frozen_for_too_long_knows_that_it_has_lost(
    tmp_path: Path, hasty: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    hasty(0.5)
    child = start(HOLD, tmp_path / "lock", "elsewhere", 60)
    assert hear(child) == "True"
    child.send_signal(signal.SIGSTOP)
    with held(tmp_path / "lock") as lock:
        child.send_signal(signal.SIGCONT)
        end = time.monotonic() + DEADLINE
        while ask(child) != "True":
            assert time.monotonic() < end
        assert not lock.lost
        kill(child)
        assert holder(tmp_path / "lock") is not None


def ask(child: Any) -> str:
    child.stdin.write("\n")
    child.stdin.flush()
    return hear(child)


COUNT = f"""{ELSEWHERE}
file, counter = Path(sys.argv[1]), Path(sys.argv[1]).with_name("n")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(40):
    lock = acquire(file, wait=True)
    number = int(counter.read_text())
    counter.write_text(str(number + 1))
    lock.release()
"""


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_never_two_at_a_time_even_after_a_holder_was_killed(where: str, tmp_path: Path) -> None:
    file = tmp_path / "work" / "lock"
    child = start(HOLD, file, where, 60)
    assert hear(child) == "True"
    kill(child)
    (tmp_path / "work" / "n").write_text("0")
    race(COUNT, file, where, 1.0, children=3)
    assert (tmp_path / "work" / "n").read_text() == "120"
    assert sorted(path.name for path in file.parent.iterdir()) == ["n"]


def test_a_slow_process_does_not_remove_a_newer_claim(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("old")
    slow = locks._seen(tmp_path / "lock")
    assert slow is not None
    with held(tmp_path / "lock"):  # somebody else was faster
        locks._bury(tmp_path / "lock", slow)
        assert acquire(tmp_path / "lock") is None


@pytest.mark.usefixtures("ignored")
def test_a_run_of_a_dead_worker_elsewhere_is_interrupted_if_somebody_looks_long_enough(
    tmp_path: Path, hasty: Callable[[float], None]
) -> None:
    hasty(0.2)
    target = tmp_path / "a"
    child = start(HOLD, ledger.work(target) / ledger.LOCK, "elsewhere", 60)
    assert hear(child) == "True"
    kill(child)
    ledger.note(target, "running", step=1)
    before = ledger.state(target)
    assert before is not None
    assert before.state == "running"
    after = ledger.state(target, patient=True)
    assert after is not None
    assert after.state == "interrupted"
