"""A process that has imported everything, and does each command in a child of its own: with real file descriptors.

It reads a request as one line of JSON and answers with one line. A child begins as Python begins: a descriptor that is
closed gives no stream, and the encoding is the one of the environment. Only imports are not repeated.
"""

import gc
import io
import json
import os
import resource
import runpy
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

COMPUTES = 77
"""Exit status of a child that would have begun to train."""

UNFLUSHED = 120
"""Exit status of Python if its standard output cannot be flushed at the end."""

DEADLINE = 120
"""A child is ended after this time [s]; then its status is -9."""


def serve(doors: list[str]) -> None:
    """Answer requests until the input ends. A child leaves by SystemExit, so that Python ends as it ends anywhere."""
    _import(doors)
    print("ready", flush=True)
    while line := sys.stdin.readline():
        request = json.loads(line)
        kept = Path(tempfile.mkdtemp())
        child = os.fork()
        if child == 0:
            signal.alarm(DEADLINE)
            _begin(request, kept)
            os._exit(_ended(request))
        _, status = os.waitpid(child, 0)
        answer = {"status": os.waitstatus_to_exitcode(status), "out": _read(kept / "out"), "err": _read(kept / "err")}
        shutil.rmtree(kept)
        print(json.dumps(answer), flush=True)


def _import(doors: list[str]) -> None:
    """Import what the doors import, and forget the doors themselves, because each child runs one as a program."""
    import importlib

    import matplotlib.pyplot  # noqa: F401

    for door in doors:
        importlib.import_module(door)
    from sim.config import members
    from tests.composed import compose

    for kind in ("experiment", "figure", "metric"):
        for member in members(kind).values():
            member.load()

    compose("seed=1")
    _stop_before_computing()
    gc.collect()
    gc.freeze()


def _stop_before_computing() -> None:
    import sim.running.engines.processes
    import sim.running.single
    import sim.running.work

    def computes(*_: object, **__: object) -> None:
        os._exit(COMPUTES)

    for module in (sim.running.single, sim.running.work):
        module.perform = computes
    sim.running.engines.processes.Engine.submit = computes


def _begin(request: dict[str, Any], kept: Path) -> None:
    """Open the descriptors, the environment and the folder of a child, and the streams of Python on them."""
    os.setsid()
    for descriptor, kind in enumerate(request["streams"]):
        _open(descriptor, kind, kept / ("in", "out", "err")[descriptor])
    for name, value in request["environment"].items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    tempfile.tempdir = None
    sys.dont_write_bytecode = True  # with no room it would be cut off, and every later import would fail at it
    if request["room"] is not None:  # as on a full disk: no file may become larger
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["room"], request["room"]))
    if request["folder"] is not None:
        os.chdir(request["folder"])
    if request["deleted"]:
        Path(request["folder"]).rmdir()
    wanted = os.environ.get("PYTHONIOENCODING")
    encoding, _, errors = (wanted or "utf-8").partition(":")
    sys.stdin, sys.stdout, sys.stderr = (
        _stream(0, "r", encoding, errors or "strict"),
        _stream(1, "w", encoding, errors or "strict"),
        _stream(2, "w", encoding, "backslashreplace"),
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr


def _open(descriptor: int, kind: str, file: Path) -> None:
    if kind == "closed":
        os.close(descriptor)
        return
    if kind == "broken":
        reader, opened = os.pipe()
        os.close(reader)
    elif kind == "kept":
        opened = os.open(file, os.O_WRONLY | os.O_CREAT)
    else:
        opened = os.open(kind, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
    os.dup2(opened, descriptor)
    os.close(opened)


def _stream(descriptor: int, mode: str, encoding: str, errors: str) -> Any:
    try:
        os.fstat(descriptor)
    except OSError:
        return None
    raw = io.FileIO(descriptor, mode, closefd=False)
    buffered = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
    return io.TextIOWrapper(buffered, encoding, errors, line_buffering=descriptor == 2, write_through=False)


def _ended(request: dict[str, Any]) -> int:
    """Run a door as `python -m` does, and return the exit status of Python. (To end as Python does takes too long.)"""
    module = request["module"]
    sys.argv = [module, *request["words"]]
    for name in (module, f"{module}.__main__"):
        if not hasattr(sys.modules.get(name), "__path__"):
            sys.modules.pop(name, None)
    warnings.simplefilter("ignore")
    status: Any = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        status = 0 if ending.code is None else ending.code
    except BaseException:
        status = 1
        with suppress(AttributeError, OSError):
            traceback.print_exc()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        status = UNFLUSHED
    with suppress(AttributeError, OSError):
        sys.stderr.flush()
    return int(status)


def _read(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "backslashreplace") if file.exists() else ""


if __name__ == "__main__":
    serve(sys.argv[1:])
