"""python -m sim.running.worker <task.json> [--lifeline] [--beside=N]: do the runs of a task. A multirun starts it.

The task is {"runs": [canonical configuration, ...], "execution": {argument: value}}, with the arguments of
`sim.running.cohort.Execution`. A job may have no driver. So its task also holds {"limit": {"seconds": s, "targets":
[folder, ...]}}, and the job ends itself if none of these runs has given news for so long. The outcome of each run lies
on the disk, see `sim.disk.ledger`; the output is only a log. The exit status is 0 if the worker completed its task,
even if runs failed.
"""

import argparse
import faulthandler
import json
import os
import sys
import threading
import time
from pathlib import Path

from sim.disk.news import News, silent_for
from sim.numerics import visible
from sim.running.environment import prepare
from sim.streams import command

REFUSED = 2
"""Exit status for a bad task file."""

DRIVER_DIED, SILENT = 143, 124
"""Exit statuses of a worker whose driver has ended, and of one that gave no news for too long. Nothing reads them."""


def work(task: Path) -> None:
    """Do the runs of a task in this process."""
    from sim.running.cohort import Execution
    from sim.running.work import perform

    content = json.loads(task.read_text(encoding="utf-8"))
    for outcome in perform(content["runs"], Execution(**content["execution"])):
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
    parser = argparse.ArgumentParser(prog="python -m sim.running.worker", description="Do a task of a multirun.")
    parser.add_argument("task", type=Path)
    parser.add_argument("--lifeline", action="store_true", help="end this process when stdin is closed")
    parser.add_argument("--beside", type=int, default=1, help="number of workers that run side by side on this machine")
    given = parser.parse_args(arguments)
    if given.lifeline:
        hold_on_to(sys.stdin.fileno())
    print(f"process {os.getpid()}", flush=True)
    try:
        content = json.loads(given.task.read_text(encoding="utf-8"))
        outputs = str(content["runs"][0]["outputs"])
    except (OSError, ValueError, KeyError, IndexError, TypeError) as problem:
        what = " ".join(f"{type(problem).__name__}: {problem}".split())
        print(f"{given.task}: a task file of a multirun is required, found {visible(what)}", file=sys.stderr)
        return REFUSED
    given.task.with_suffix(".began").touch()  # so that time in the queue is not taken for time at work
    if "limit" in content:
        end_if_silent([Path(target) for target in content["limit"]["targets"]], content["limit"]["seconds"])
    prepare(outputs, given.beside)
    work(given.task)
    return 0


if __name__ == "__main__":
    sys.exit(command(main))
