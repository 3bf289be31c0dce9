"""Locks: one holder at a time, free the moment he dies, whoever asks and whatever is removed meanwhile."""

import errno
import fcntl
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sim.disk import locks
from sim.disk.locks import Lock, acquire, holder, make_folder
from sim.numerics import SpecificationError
from tests.unit.faults import hear, kill, race, start

HOLD = """
import sys
from pathlib import Path
from sim.disk.locks import acquire
lock = acquire(Path(sys.argv[1]))
print(lock is not None, flush=True)
sys.stdin.readline()
"""


def held(file: Path, wait: bool = False) -> Lock:
    lock = acquire(file, wait)
    assert lock is not None
    return lock


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


def test_one_holds_and_says_who_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "lock"
    before = time.time()
    assert holder(file) is None
    with held(file) as lock:
        assert acquire(file) is None
        said = holder(file)
        assert said is not None
        assert (said["pid"], said["host"]) == (os.getpid(), os.uname().nodename)
        assert before <= said["since"] <= time.time()
        assert lock.file == file
    assert holder(file) is None
    assert list(file.parent.iterdir()) == [], "no stale lock is left"
    held(file).release()


def test_a_lock_is_freed_when_its_block_fails_and_only_once(tmp_path: Path) -> None:
    before = open_files()
    with pytest.raises(KeyError), held(tmp_path / "lock") as lock:
        raise KeyError
    other = held(tmp_path / "lock")
    lock.release()
    assert holder(tmp_path / "lock") is not None, "a second release frees nobody else's lock"
    other.release()
    assert open_files() == before


def test_another_process_is_refused_and_named(tmp_path: Path) -> None:
    with held(tmp_path / "lock"):
        child = start(HOLD, tmp_path / "lock")
        assert hear(child) == "False"
        kill(child)
    child = start(HOLD, tmp_path / "lock")
    assert hear(child) == "True"
    assert acquire(tmp_path / "lock") is None
    said = holder(tmp_path / "lock")
    assert said is not None
    assert said["pid"] == child.pid
    kill(child)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path, number: signal.Signals) -> None:
    child = start(HOLD, tmp_path / "lock")
    assert hear(child) == "True"
    child.send_signal(number)
    child.communicate(timeout=60)
    assert json.loads((tmp_path / "lock").read_bytes())["pid"] == child.pid, "its name still stands there"
    assert holder(tmp_path / "lock") is None
    with held(tmp_path / "lock"):
        said = holder(tmp_path / "lock")
        assert said is not None
        assert said["pid"] == os.getpid()


def test_who_waits_gets_it_after_the_holder(tmp_path: Path) -> None:
    order = []
    first = held(tmp_path / "lock")

    def wait() -> None:
        with held(tmp_path / "lock", wait=True):
            order.append("second")

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.05)
    order.append("first")
    first.release()
    waiting.join(timeout=60)
    assert order == ["first", "second"]


COUNT = """
import sys
from pathlib import Path
from sim.disk.locks import acquire
folder, rounds, wait = Path(sys.argv[1]), int(sys.argv[2]), bool(int(sys.argv[3]))
file, counter = folder / "work" / "lock", folder / "n"
print("ready", flush=True)
sys.stdin.readline()
for _ in range(rounds):
    lock = None
    while lock is None:
        lock = acquire(file, wait)
    number = int(counter.read_text())
    counter.write_text(str(number + 1))
    lock.release()
    try:
        file.parent.rmdir()
    except OSError:
        pass
"""


@pytest.mark.parametrize("wait", [False, True])
def test_never_two_at_a_time_although_file_and_folder_are_removed(tmp_path: Path, wait: bool) -> None:
    (tmp_path / "n").write_text("0")
    race(COUNT, tmp_path, 100, int(wait), children=4)
    assert (tmp_path / "n").read_text() == "400"
    assert holder(tmp_path / "work" / "lock") is None


ASK = """
import os, sys, threading
from pathlib import Path
from sim.disk.locks import holder
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()  # never outlives the test
print("ready", flush=True)
while True:
    holder(Path(sys.argv[1]))
"""


def test_asking_keeps_nobody_from_acquiring(tmp_path: Path) -> None:
    askers = [start(ASK, tmp_path / "lock") for _ in range(2)]
    assert [hear(asker) for asker in askers] == ["ready", "ready"]
    (tmp_path / "lock").touch()
    for _ in range(500):
        held(tmp_path / "lock").release()
        (tmp_path / "lock").touch()  # so that the askers always find something to lock
    for asker in askers:
        kill(asker)


def test_who_asks_just_now_is_not_taken_for_a_holder(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    descriptor = os.open(tmp_path / "lock", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    held(tmp_path / "lock").release()
    os.close(descriptor)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": null, "host": "", "since": 1}', "\0" * 20])
def test_a_holder_that_says_nothing_is_unknown_but_there(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    assert holder(tmp_path / "lock") is None
    descriptor = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert holder(tmp_path / "lock") == {"pid": None, "host": None, "since": None}
    os.close(descriptor)


def test_a_holder_on_another_host_is_believed(tmp_path: Path) -> None:
    said: dict[str, Any] = {"pid": 2**22 + 1, "host": "elsewhere", "since": 1.0}
    with held(tmp_path / "lock"):
        (tmp_path / "lock").write_text(json.dumps(said))
        assert holder(tmp_path / "lock") == said


def test_nobody_removes_the_lock_of_another(tmp_path: Path) -> None:
    first = held(tmp_path / "work" / "lock")
    shutil.rmtree(tmp_path / "work")
    second = held(tmp_path / "work" / "lock")
    first.release()
    assert holder(tmp_path / "work" / "lock") is not None
    assert acquire(tmp_path / "work" / "lock") is None
    second.release()


FORK = """
import subprocess, sys
from pathlib import Path
from sim.disk.locks import acquire
lock, no = acquire(Path(sys.argv[1])), subprocess.DEVNULL
sleep = [sys.executable, "-c", "import time; time.sleep(1000)"]
print(subprocess.Popen(sleep, close_fds=False, stdin=no, stdout=no, stderr=no).pid, flush=True)
sys.stdin.readline()
"""


def test_a_child_of_the_holder_does_not_hold(tmp_path: Path) -> None:
    parent = start(FORK, tmp_path / "lock")
    child = int(hear(parent))
    assert holder(tmp_path / "lock") is not None
    kill(parent)
    assert holder(tmp_path / "lock") is None
    os.kill(child, signal.SIGKILL)


def test_a_released_lock_is_free_even_for_those_who_share_it(tmp_path: Path) -> None:
    lock = held(tmp_path / "lock")
    assert lock._descriptor is not None
    shared = os.dup(lock._descriptor)  # as a child has it between fork and exec
    waiting = os.open(tmp_path / "lock", os.O_RDWR)
    lock.release()
    fcntl.flock(waiting, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(shared)
    os.close(waiting)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_flock_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with held(tmp_path / "lock"):
        assert acquire(tmp_path / "lock") is None
        assert holder(tmp_path / "lock") is not None
    held(tmp_path / "lock").release()


def test_a_disk_that_breaks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    before = open_files()
    (tmp_path / "lock").touch()
    monkeypatch.setattr(fcntl, "flock", flock)
    for ask in (acquire, holder):
        with pytest.raises(OSError, match="Errno 5"):
            ask(tmp_path / "lock")
    assert open_files() == before


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EIO])
def test_a_file_system_without_links_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def link(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    before = open_files()
    monkeypatch.setattr(os, "link", link)
    with pytest.raises(
        OSError if number == errno.EIO else SpecificationError,
        match=r"^(outputs: a file system with hard links|\[Errno)[^\n]*$",
    ):
        acquire(tmp_path / "lock")
    assert open_files() == before
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_an_nfs_server_lost_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def twice(*names: Path) -> None:
        link(*names)
        link(*names)  # the client asks again, because it heard no answer

    monkeypatch.setattr(os, "link", twice)
    with held(tmp_path / "lock"):
        assert acquire(tmp_path / "lock") is None


def test_a_lock_that_cannot_be_signed_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    before = open_files()
    with monkeypatch.context() as patch:
        patch.setattr(locks.json, "dumps", full)
        with pytest.raises(OSError, match="full"):
            acquire(tmp_path / "lock")
    assert open_files() == before
    assert list(tmp_path.iterdir()) == []
    held(tmp_path / "lock").release()


def test_a_folder_in_the_way_of_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        acquire(tmp_path / "file" / "lock")
    with pytest.raises((FileExistsError, NotADirectoryError)):
        make_folder(tmp_path / "file" / "deeper")
    assert holder(tmp_path / "file" / "lock") is None
