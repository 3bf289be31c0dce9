"""python -m sim.cancel <dir>: end the multirun of outputs/<name> that is under way: its driver here, and its jobs."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sim.arguments import Parser
from sim.disk.files import read_json
from sim.disk.processes import fate, is_certain
from sim.numerics import SpecificationError, in_one_line
from sim.places import check_folder
from sim.running.jobs import Job, jobs
from sim.streams import command

REFUSED, LEFT = 2, 1
"""Exit statuses: bad input, or nothing to cancel; something did not end."""

PATIENCE = 60.0
"""Time that a driver has to end [s]: it ends its workers first, and these write their last checkpoints."""

_HELP = """\
End a multirun that is under way. If its driver is a process of this machine, it is ended as by Ctrl-C, with its
workers. Then its jobs are taken out of the queue or ended. It does not matter whether their driver still lives.
What is finished is kept, and the same command continues from the last checkpoints. The exit status is 0; 1 if something
did not end; 2 if there is nothing to cancel."""


def cancel(folder: Path) -> tuple[list[str], bool]:
    """End the drivers and the jobs of outputs/<name>. Return a line for each, and whether all of them have ended.

    It raises SpecificationError if there are none.
    """
    wanted = "a multirun under way (a driver on this machine, or jobs)"
    check_folder(folder, wanted, "correct the path")
    plans = [read_json(file) for file in sorted(folder.glob("multirun/*/plan*.json"))]
    known = [plan for plan in plans if isinstance(plan, dict) and is_certain(plan) and plan.get("pid") != os.getpid()]
    drivers = [plan for plan in known if fate(plan) == "alive"]
    told = [_end(plan) for plan in drivers]
    left = jobs(folder / "multirun")
    if not told and not left:
        raise SpecificationError(f"{folder}: {wanted} is required, found none; see python -m sim.status {folder}")
    with ThreadPoolExecutor(16) as several:
        told += several.map(_cancelled, left)
    return [line for line, _ in told], all(ended for _, ended in told)


def _end(plan: dict[str, Any]) -> tuple[str, bool]:
    """End a driver, and wait for it."""
    named = f"process {plan['pid']}, the driver,"
    try:
        os.kill(plan["pid"], signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError:
        return f"{named} belongs to another user and goes on; ask this user to end it", False
    end = time.monotonic() + PATIENCE
    while (alive := fate(plan) == "alive") and time.monotonic() < end:
        time.sleep(0.05)
    how = f"was asked to end, but goes on; kill -KILL {plan['pid']} ends it" if alive else "has ended"
    return f"{named} {how}", not alive


def _cancelled(job: Job) -> tuple[str, bool]:
    job.worker.cancel()
    state = job.worker.state()
    said = "has been cancelled" if state == "ended" else f"was cancelled, but is still {state}; look at it again later"
    return f"job {job.number} {said}", state == "ended"


def main(arguments: Sequence[str] | None = None) -> int:
    """Cancel a multirun and say what was done. Return the exit status."""
    parser = Parser(prog="python -m sim.cancel", description=_HELP)
    parser.add_argument("folder", type=Path, help="outputs/<name>")
    chosen = parser.parse_args(arguments)
    try:
        lines, ended = cancel(chosen.folder)
    except SpecificationError as error:
        print(in_one_line(error), file=sys.stderr)
        return REFUSED
    kept = f"what is finished is kept; see python -m sim.status {chosen.folder}"
    print(*lines, kept, sep="\n")
    return 0 if ended else LEFT


if __name__ == "__main__":
    sys.exit(command(main))
