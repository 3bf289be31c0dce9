"""What every command does about its standard streams and about signals: one line instead of a traceback."""

import errno
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO

from sim.numerics import visible
from sim.places import reason, told

FAILED, INTERRUPTED, BROKEN_PIPE = 1, 130, 141
"""Exit statuses: the output cannot be written; an interruption from the keyboard; the reader of a pipe has gone."""

DEBUGGING = "HYDRA_FULL_ERROR"
"""The environment variable that asks for tracebacks."""

OUT, ERR = "standard output", "standard error"

_SIGNALS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]

INTERRUPTION = "interrupted; what is finished is kept, and the same command continues from there"


class OutputError(Exception):
    """A standard stream cannot be written."""

    def __init__(self, name: str, problem: OSError) -> None:
        super().__init__(
            f"{name}: a stream that can be written is required, found {reason(problem)}; "
            "files that were written before are complete"
        )
        self.name, self.is_pipe = name, problem.errno == errno.EPIPE


class Terminated(KeyboardInterrupt):
    """A signal asked this process to end. It is treated like Ctrl-C; `status` is the exit status."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


class _Guarded:
    """A text stream whose problems are told apart from those of files."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self._name, self._stream = name, stream
        self.failure: OutputError | None = None

    def write(self, text: str) -> int:
        with self._telling():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._telling():
            self._stream.flush()

    def close(self) -> None:
        """Do nothing: a standard stream stays open, although a logger may think that this is a file of its own."""

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            self.failure = OutputError(self._name, problem)
            raise self.failure from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def command(main: Callable[[], int]) -> int:
    """Run the main function of a command and return its exit status.

    A closed stream swallows what is written to it. Characters that the encoding of a stream lacks become `?`. A full or
    broken stream ends the command with one line; a broken pipe ends it silently. SIGTERM and SIGHUP do what Ctrl-C
    does, with the exit statuses 143 and 129. An error of the file system that nothing has foreseen is one line too,
    unless HYDRA_FULL_ERROR=1 asks for its traceback.
    """
    before = sys.stdout, sys.stderr
    _occupy(0, os.O_RDONLY)
    sys.stdout, sys.stderr = _ready(OUT, before[0], 1), _ready(ERR, before[1], 2)
    logging.raiseExceptions = False  # a logger would print a traceback about a stream, and go on
    _listen()
    try:
        status = _ended(main)
        sys.stdout.flush()
        if (failure := getattr(sys.stdout, "failure", None)) is not None:  # a library has ignored it
            raise failure
    except OutputError as problem:
        _silence(before[0] if problem.name == OUT else before[1])
        if problem.is_pipe:
            return BROKEN_PIPE
        with suppress(OutputError):
            print(problem, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as interruption:
        with suppress(OutputError):
            print(INTERRUPTION, file=sys.stderr)
        return status_of(interruption)
    except OSError as problem:
        if os.environ.get(DEBUGGING) == "1":
            raise
        with suppress(OutputError):
            print(visible(told(problem)), file=sys.stderr)
        return FAILED
    finally:  # Python closes the streams that it made itself
        sys.stdout, sys.stderr = (
            new if old is None else old for new, old in zip((sys.stdout, sys.stderr), before, strict=True)
        )
    return status


def _ended(main: Callable[[], int]) -> int:
    """Run a main function and return its exit status. `--help` and wrong flags end argparse by SystemExit."""
    try:
        return main()
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            return ending.code or 0
        print(ending.code, file=sys.stderr)
        return FAILED


@contextmanager
def uninterrupted(*more: signal.Signals) -> Iterator[None]:
    """Let Ctrl-C and signals, and `more` of them, wait until a block has ended, so that it is done as a whole."""
    arrived: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.getsignal(number) for number in (*_SIGNALS, *more)}
    ours = {number: handler for number, handler in handlers.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        ours = {}
    try:
        for number in ours:
            signal.signal(number, lambda number, frame: arrived.append((number, frame)))
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        for number, frame in arrived[:1]:
            ours[number](number, frame)


def status_of(interruption: KeyboardInterrupt) -> int:
    """Return the exit status for Ctrl-C, or for the signal that ended a command."""
    return interruption.status if isinstance(interruption, Terminated) else INTERRUPTED


def _ready(name: str, stream: TextIO | None, descriptor: int) -> Any:
    """Return a stream that can be written, without errors for characters that its encoding lacks."""
    if stream is None:  # it was closed when the process began
        _occupy(descriptor, os.O_WRONLY)
        return open(os.devnull, "w", encoding="utf-8")
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
    return _Guarded(name, stream)


def _occupy(descriptor: int, mode: int) -> None:
    """Let a closed descriptor lead to /dev/null, because a file that is opened later would get its number."""
    try:
        os.fstat(descriptor)
    except OSError:
        with suppress(OSError):
            opened = os.open(os.devnull, mode)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)


def _silence(stream: TextIO | None) -> None:
    """Let what is left in the buffer of a broken stream go nowhere, or Python would complain when it ends."""
    with suppress(OSError, ValueError, AttributeError):
        assert stream is not None
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _listen() -> None:
    def end(number: int, frame: FrameType | None) -> None:
        del frame
        raise Terminated(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores SIGHUP, and so do we
            with suppress(ValueError):  # not the main thread
                signal.signal(number, end)
