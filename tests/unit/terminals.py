"""A child on a terminal of its own, and what it writes there."""

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress

from tests.unit.faults import DEADLINE, ROOT

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(*arguments: object) -> str:
    """All that `python <arguments>` writes to a terminal of 80 by 24; it must succeed."""
    ours, theirs = pty.openpty()
    size = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color"}
    environment = {**os.environ, **size, "PYTHONPATH": str(ROOT)}
    try:
        command = [sys.executable, *map(str, arguments)]
        child = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        written = b""
        with suppress(OSError):  # how Linux says that nobody has the other end any more
            while data := os.read(ours, 1 << 16):
                written += data
    finally:
        os.close(ours)
    screen = written.decode()
    assert child.wait(timeout=DEADLINE) == 0, screen
    return screen


def shown(screen: str) -> list[str]:
    """The lines of what was written, without what steers the terminal and what is empty."""
    plain = _ESCAPES.sub("", screen).replace("\r", "\n")  # a picture begins anew at the left
    return [line.rstrip() for line in plain.split("\n") if line.strip()]
