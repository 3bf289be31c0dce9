"""Whether a process lives: certain on this machine, unknown elsewhere."""

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from sim.disk.processes import fate, identity, is_certain


def test_this_process_lives() -> None:
    me = identity()
    assert me["pid"] == os.getpid()
    assert fate(me) == "alive"
    assert is_certain(me)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"started": "1"}, "dead"),
        ({"pid": 2**22 + 1}, "dead"),
        ({"pid": 2**100}, "dead"),
        ({"pid": None}, "unknown"),
        ({"host": "elsewhere"}, "unknown"),
        ({"place": "another boot"}, "unknown"),
    ],
)
def test_other_processes(changed: dict[str, Any], expected: str) -> None:
    assert fate({**identity(), **changed}) == expected


def test_an_older_note_says_less() -> None:
    me = {key: value for key, value in identity().items() if key in ("pid", "host")}
    assert fate(me) == "alive"
    assert not is_certain(me), "it might be another process with the same pid"


def test_a_process_that_nobody_has_collected_yet_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    said = identity(child.pid)
    assert fate(said) == "alive"
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert fate(said) == "dead"
    child.communicate()
    assert fate(said) == "dead"
