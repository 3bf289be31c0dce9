"""python -m sim.running.worker <task.json> [--lifeline] [--beside=N] [--together=...]: do the runs of a task.

A multirun starts it.

The task is {"runs": [canonical configuration, ...], "execution": {argument: value}}, with the arguments of
`sim.running.cohort.Execution`. A job may have no driver. So its task also holds {"limit": {"seconds": s, "targets":
[folder, ...]}}, and the job ends itself if none of these runs has given news for so long. The outcome of each run lies
on the disk, see `sim.disk.ledger`; the output is only a log. The exit status is 0 if the worker completed its task,
even if runs failed.
"""

import faulthandler
import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.arguments import Parser, whole
from sim.disk.news import News, silent_for
from sim.numerics import SpecificationError, in_one_line
from sim.places import reason
from sim.running import compiling
from sim.running.environment import load_jax, prepare
from sim.running.identity import target
from sim.running.together import lead_or_follow, place
from sim.streams import command

REFUSED = 2
"""Exit status for a bad task file."""

EXECUTION = ("max_runs", "mapping", "checkpoint_seconds", "laws")
"""The arguments of `sim.running.cohort.Execution`, which is slow to import."""

STDIN = 0
"""The descriptor of the standard input."""

DRIVER_DIED, SILENT = 143, 124
"""Exit statuses of a worker whose driver has ended, and of one that gave no news for too long. Nothing reads them."""


@dataclass(frozen=True)
class Task:
    """The content of a task file. `limit` is (seconds, folders of the runs): how long they may give no news."""

    runs: list[dict[str, Any]]
    execution: dict[str, Any]
    limit: tuple[float, list[Path]] | None


def read_task(task: Path) -> Task:
    """Return the content of a task file. It raises SpecificationError for any other file."""
    try:
        if not task.is_file():  # a device or a pipe may never end
            raise SpecificationError("a folder" if task.is_dir() else "no such file")
        content = json.loads(task.read_text(encoding="utf-8"))
        runs, execution = content["runs"], content["execution"]
        if not (isinstance(runs, list) and runs and all(isinstance(run["outputs"], str) for run in runs)):
            raise SpecificationError("no list of runs with outputs")
        for run in runs:
            target(run)
        unknown = sorted(set(execution) - set(EXECUTION))
        if unknown:
            raise SpecificationError(f"the unknown key execution.{unknown[0]}")
        limit = content.get("limit")
        read = Task(runs, execution, limit and (float(limit["seconds"]), [Path(one) for one in limit["targets"]]))
    except SpecificationError as problem:
        found = str(problem)
    except OSError as problem:
        found = reason(problem)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as problem:
        found = f"{type(problem).__name__}: {problem}"
    else:
        return read
    raise SpecificationError(
        f"{task}: a task file of a multirun is required, found {found}; "
        "give outputs/<name>/multirun/<time>/worker-<number>.json"
    )


def work(task: Path) -> None:
    """Do the runs of a task in this process."""
    from sim.running.cohort import Execution
    from sim.running.work import perform

    wanted = read_task(task)
    with compiling.counted(task):
        outcomes = perform(wanted.runs, Execution(**wanted.execution))
    for outcome in outcomes:
        print(f"{outcome.target}: {outcome.state}{f' ({outcome.reason})' if outcome.reason else ''}", flush=True)


def hold_on_to(lifeline: int) -> None:
    """End this process, whatever it is doing, when a pipe closes. The driver holds the other end of the pipe."""

    def wait() -> None:
        while os.read(lifeline, 1024):
            pass
        os._exit(DRIVER_DIED)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def end_if_silent(targets: list[Path], seconds: float) -> None:
    """End this process, whatever it is doing, if no note of some runs has changed for so long. The log says where."""
    news = News()

    def watch() -> None:
        while min(news.silence(target) for target in targets) < seconds:
            time.sleep(min(1.0, seconds / 4))
        faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr)
        print(silent_for(seconds), file=sys.stderr, flush=True)
        os._exit(SILENT)

    threading.Thread(target=watch, name="limit", daemon=True).start()


def main(arguments: list[str] | None = None) -> int:
    """Entry point of a worker process. Return the exit status."""
    parser = Parser(prog="python -m sim.running.worker", description="Do a task of a multirun.")
    parser.add_argument("task", type=Path)
    parser.add_argument("--lifeline", action="store_true", help="end this process when stdin is closed")
    parser.add_argument(
        "--beside", type=whole(1), default=1, help="number of workers that run side by side on this machine"
    )
    parser.add_argument(
        "--together",
        type=place,
        metavar="HOST:PORT,NUMBER,INDEX",
        help="train with the devices of NUMBER processes, which meet there; INDEX is which of them this one is",
    )
    given = parser.parse_args(arguments)
    if given.lifeline:
        hold_on_to(STDIN)
    print(f"process {os.getpid()}", flush=True)
    try:
        wanted = read_task(given.task)
    except SpecificationError as problem:
        print(in_one_line(problem), file=sys.stderr)
        return REFUSED
    given.task.with_suffix(".began").touch()  # so that time in the queue is not taken for time at work
    if wanted.limit is not None:
        seconds, targets = wanted.limit
        end_if_silent(targets, seconds)
    prepare(str(wanted.runs[0]["outputs"]), given.beside)
    try:
        load_jax()
    except SpecificationError as problem:
        print(problem, file=sys.stderr)
        return REFUSED
    if given.together is None:
        work(given.task)
    else:
        lead_or_follow(given.together, lambda: work(given.task))
    return 0


if __name__ == "__main__":
    sys.exit(command(main))
