"""What every command does about its standard streams and about signals: one line instead of a traceback."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO

FAILED, INTERRUPTED, BROKEN_PIPE = 1, 130, 141
"""Exit statuses: the output cannot be written; an interruption from the keyboard; the reader of a pipe has gone."""

OUT, ERR = "standard output", "standard error"

_SIGNALS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]

INTERRUPTION = "interrupted; what is finished is kept, and the same command continues from there"


class OutputError(Exception):
    """A standard stream cannot be written."""

    def __init__(self, name: str, problem: OSError) -> None:
        super().__init__(
            f"{name}: a stream that can be written is required, found {(problem.strerror or str(problem)).lower()}; "
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
            raise OutputError(self._name, problem) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def command(main: Callable[[], int]) -> int:
    """Run the main function of a command and return its exit status.

    A closed stream swallows what is written to it. Characters that the encoding of a stream lacks become `?`. A full or
    broken stream ends the command with one line; a broken pipe ends it silently. SIGTERM and SIGHUP do what Ctrl-C
    does, with the exit statuses 143 and 129.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _ready(OUT, before[0], 1), _ready(ERR, before[1], 2)
    _listen()
    try:
        status = main()
        sys.stdout.flush()
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
    finally:  # Python closes the streams that it made itself
        sys.stdout, sys.stderr = (
            new if old is None else old for new, old in zip((sys.stdout, sys.stderr), before, strict=True)
        )
    return status


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and signals wait until a block has ended, so that what it begins is also written down."""
    arrived: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
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
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)  # or a file opened later would get its number
        return open(os.devnull, "w", encoding="utf-8")
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
    return _Guarded(name, stream)


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
