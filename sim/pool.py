"""Processes that share the cores of this machine for a while. They obey the process that started them."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import TypeVar

from sim.numerics import SpecificationError

Task = TypeVar("Task")
Result = TypeVar("Result")


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], what: str, chunk: int = 1
) -> Iterator[Result]:
    """Iterate over the results of a function for some tasks, in their order. Each core has a process that does some.

    what: says in the message about a killed process what the processes do; chunk: number of tasks that a process takes
    in turn. The first exception of a task is raised and ends the others. Raises SpecificationError if a process was
    killed.
    """
    with _pool(cores(), what) as pool:
        yield from pool.map(function, tasks, chunksize=chunk)


def shared(function: Callable[[Task], Result], tasks: Sequence[Task], what: str) -> list[Result]:
    """Return the results of a function for some tasks, in their order. This process does some of them itself.

    It begins with the first task, which should be the longest, because other processes take a second to begin. Then it
    takes the last task that nobody has begun. `what` and exceptions are those of `in_processes`.
    """
    with _pool(max(1, cores() - 1), what) as pool:
        begun = [pool.submit(function, task) for task in tasks[1:]]
        first = [function(task) for task in tasks[:1]]
        rest = [
            function(task) if future.cancel() else future.result()
            for future, task in zip(reversed(begun), reversed(tasks[1:]), strict=True)
        ]
    return first + rest[::-1]


@contextmanager
def _pool(count: int, what: str) -> Iterator[ProcessPoolExecutor]:
    """Start up to `count` processes, and end them. Raises SpecificationError if one of them was killed."""
    pool = ProcessPoolExecutor(count, get_context("spawn"), _obey)
    try:
        yield pool
    except BrokenExecutor:
        raise SpecificationError(
            f"{what}: {count} processes are required, found that one was killed; "
            "free some memory and give the same command again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _obey() -> None:
    """Leave Ctrl-C to the parent of this process, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end_with_it() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_it, daemon=True).start()
