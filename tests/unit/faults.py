"""Faults on purpose: children that are killed, a disk that fills up, bytes that tear and flip."""

import errno
import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.disk import files

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 60  # [s], far beyond what any child needs

ODD: dict[str, np.ndarray] = {
    "nan": np.array([0x7FC00001, 0xFFC12345, 0x7F800001, 0x80000000, 1], np.uint32).view(np.float32),
    "scalar": np.array(7, np.int32),
    "empty": np.zeros((0, 3)),
    "turned": np.arange(6.0).reshape(2, 3).T,
    "strided": np.arange(10, dtype=np.uint8)[::3],
    "flags": np.array([[True, False]]),
    "half": np.array([1.5], np.float16),
    "complex": np.array([1 + 2j], np.complex64),
    "key": np.array([0xFFFFFFFF, 1], np.uint32),
}
"""Arrays whose bits a careless format changes."""


def same_bits(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return set(one) == set(other) and all(
        one[name].dtype == other[name].dtype
        and one[name].shape == other[name].shape
        and one[name].tobytes() == other[name].tobytes()
        for name in one
    )


def rewritten(folder: Path, name: str, data: bytes) -> None:
    """Replace a file of a published folder and its checksum, so that the folder looks intact."""
    (folder / name).write_bytes(data)
    sums = json.loads((folder / files.MANIFEST).read_bytes())
    (folder / files.MANIFEST).write_text(json.dumps({**sums, name: hashlib.sha256(data).hexdigest()}))


def exchanged(one: Path, other: Path) -> None:
    """Exchange the names of two folders."""
    one.rename(one.with_name("between"))
    other.rename(one)
    one.with_name("between").rename(other)


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A child process of Python, with pipes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def end(child: subprocess.Popen[str], said: str = "go\n") -> str:
    """Let a child go on, and return what it prints; it must succeed."""
    out, errors = child.communicate(said, timeout=DEADLINE)
    assert child.returncode == 0, errors
    return out


def hear(child: subprocess.Popen[str]) -> str:
    """The next line of a child."""
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line, child.communicate(timeout=DEADLINE)[1]
    return line.strip()


def kill(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate(timeout=DEADLINE)


def race(code: str, *arguments: object, children: int = 2) -> list[str]:
    """What each of several children prints that start at once: each says "ready", then waits for a line."""
    started = [start(code, *arguments, index) for index in range(children)]
    assert {hear(child) for child in started} == {"ready"}
    for child in started:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return [end(child, "") for child in started]


class FullError(OSError):
    """What a full disk raises, told from any other error."""


class FullDisk:
    """In place of `sim.disk.files.write_bytes`: from the write number `at` on, half of the bytes, then ENOSPC."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.at, self.writes, self.plain, self.was_full = at, 0, files.write_bytes, False
        monkeypatch.setattr(files, "write_bytes", self)

    def __call__(self, file: Path, data: bytes) -> None:
        self.writes += 1
        if self.writes <= self.at:
            return self.plain(file, data)
        self.was_full = True
        file.write_bytes(data[: len(data) // 2])
        raise FullError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))


def fills_up(monkeypatch: pytest.MonkeyPatch, action: Callable[[], Any]) -> Iterator[int]:
    """Let the disk be full at every single write of an action in turn; yields after each failure, then it succeeds."""
    for at in itertools.count():
        with monkeypatch.context() as patch:
            disk = FullDisk(patch, at)
            with suppress(FullError):
                action()
        if not disk.was_full:
            assert disk.writes == at > 0
            return
        yield at


KILLED_AT_WRITE = """
import os, signal, sys
from pathlib import Path
from sim.disk import files
left, plain = [int(sys.argv[2])], files.write_bytes
def write_bytes(file, data):
    if left[0] == 0:
        Path(file).write_bytes(data[:len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    plain(file, data)
files.write_bytes = write_bytes
folder = Path(sys.argv[1])
"""
"""Start of a child that is killed in the middle of the write whose number is its second argument; the first: folder."""


def killed_at(write: int, folder: Path, code: str) -> int:
    """Exit status of a child that runs a code and is killed in the middle of a certain write."""
    child = start(KILLED_AT_WRITE + code, folder, write)
    child.communicate(timeout=DEADLINE)
    return child.returncode


def damages(file: Path) -> Iterator[str]:
    """Damage a file in one way after the other: bits flipped, the end torn off, bytes added, gone; then mend it."""
    content = file.read_bytes()
    for at in sorted({int(share * (len(content) - 1)) for share in (0, 0.01, 0.3, 0.5, 0.77, 1)}):
        file.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        yield f"flipped at {at}"
    for size in sorted({0, len(content) // 2, len(content) - 1}):
        file.write_bytes(content[:size])
        yield f"torn at {size}"
    file.write_bytes(content + b"\n")
    yield "longer"
    file.unlink()
    yield "gone"
    file.write_bytes(content)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, and every folder that is empty."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"folder"
        for path in sorted(folder.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }
