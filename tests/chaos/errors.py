"""An error at every call in turn that writes to the disk: a run fails in one line, and the next try completes it."""

import builtins
import errno
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any
from unittest import mock

from sim.disk.inspection import inspected
from sim.disk.records import check, read
from sim.running.identity import target
from sim.running.work import perform
from tests.chaos.outputs import chosen, same

CALLS = ("open", "pwrite", "ftruncate", "fsync", "mkdir", "rename", "replace", "link")
"""Functions of `os` that write, or that come before writing."""

KINDS = {
    "the disk is full": errno.ENOSPC,
    "the disk is broken": errno.EIO,
    "the place may not be written": errno.EACCES,
}


class Failing:
    """From the call with a number on, calls that write below a folder fail, once or always."""

    def __init__(self, folder: Path, number: int, code: int, always: bool) -> None:
        self.folder, self.number, self.code, self.always, self.seen = str(folder), number, code, always, 0

    def check(self, name: str, *arguments: Any) -> None:
        """Count a call and let it fail when it is its turn."""
        if isinstance(arguments[0], str | os.PathLike) and not os.fspath(arguments[0]).startswith(self.folder):
            return
        if name == "open" and len(arguments) > 1 and not arguments[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        self.seen += 1
        if self.seen == self.number or (self.always and self.seen > self.number):
            raise OSError(self.code, os.strerror(self.code))


@contextmanager
def failing(folder: Path, number: int, code: int, always: bool) -> Iterator[Failing]:
    """Let one call fail, or it and all that follow."""
    counter = Failing(folder, number, code, always)
    plain = {name: getattr(os, name) for name in CALLS}
    plain_open = io.open

    def wrapped(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            counter.check(name, *arguments)
            return plain[name](*arguments, **more)

        return call

    def opened(file: Any, mode: str = "r", *arguments: Any, **more: Any) -> Any:
        if isinstance(file, str | os.PathLike) and set(mode) & set("wax+"):
            counter.check("io.open", file)
        return plain_open(file, mode, *arguments, **more)

    with mock.patch.multiple(os, **{name: wrapped(name) for name in CALLS}), mock.patch.object(io, "open", opened):
        with mock.patch.object(builtins, "open", opened):
            yield counter


def attempt(outputs: Path, number: int, code: int, always: bool) -> tuple[str, int]:
    """Do a run while a call fails. Return how it ended, and the number of calls that were made."""
    run = chosen(outputs)
    said = io.StringIO()
    with redirect_stderr(said), failing(outputs, number, code, always) as counter:
        (outcome,) = perform([run])
    assert outcome.state in ("finished", "failed"), outcome
    assert "\n" not in outcome.reason
    assert "Traceback" not in said.getvalue(), said.getvalue()[-2000:]
    if outcome.state == "failed":
        assert outcome.reason
        if target(run).exists():  # whether it is on the disk could not be found out, but it is whole
            check(target(run))
    return outcome.state, counter.seen


def campaign(folder: Path, most: int) -> "Counter[str]":
    """Let every call fail in turn, in every kind, at most `most` times in all; after each, the run is completed."""
    counts: Counter[str] = Counter()
    expected_at = folder / "undisturbed"
    perform([chosen(expected_at)])
    expected = read(target(chosen(expected_at)))
    _, calls = attempt(folder / "counted", 0, 0, False)
    cases = [(number, kind, always) for number in range(1, calls + 1) for kind in KINDS for always in (False, True)]
    step = max(1, -(-len(cases) // most))
    for index, (number, kind, always) in enumerate(cases[::step]):
        outputs = folder / f"errors-{index}"
        state, _ = attempt(outputs, number, KINDS[kind], always)
        (again,) = perform([chosen(outputs)])
        assert again.state in ("finished", "kept"), again
        assert same(read(target(chosen(outputs))), expected), f"call {number}, {kind}: other numbers"
        faults = [fault for fault in inspected(outputs).faults if fault.kind != "draft"]
        assert not faults, faults
        counts[f"{kind}: {state}"] += 1
    return counts
