"""python -m sim.status <dir> [--watch] [--json]: show which runs are done, running, failed, interrupted or waiting."""

import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group

from sim.arguments import Parser
from sim.disk.files import read_json
from sim.disk.ledger import RunState, states
from sim.disk.store import STORE
from sim.numerics import SpecificationError
from sim.places import check_folder
from sim.show.live import DRAWN, headline, lines, live, standing, view
from sim.show.overview import Overview, Session, session_of
from sim.streams import command

REFUSED = 2
"""Exit status for bad input."""

SHOWN = 10
"""Number of runs of each state that are listed if the output is not redrawn."""

SAID = 3.0
"""Least time between two plain lines [s]."""

_HELP = """\
Show the states of the runs of a folder, from what lies on the disk. A run is running while a process holds its lock.
It is interrupted if it was begun and no process works on it; the same command, given again, continues it.
It is misplaced if its folder holds the record of another run, as a copy does. Only the name is looked at: whether
records are intact says python -m sim.verify.
The time left is estimated from the share of the steps that were done since the multirun began (or the run, if it was
started alone). This command only reads. The exit status is 0, or 2 if there is no run in the folder."""


def overviews(folder: Path) -> list[Overview]:
    """Return the runs of outputs/<name>, or of every name below outputs. Raises SpecificationError if none exists."""
    wanted, mend = "a folder with runs (outputs/<name>)", "correct the path, or start a run first"
    check_folder(folder, wanted, mend)
    found = states(folder)
    if found:
        return [_overview(folder, found)]
    below = sorted(place for place in folder.glob("[!.]*") if place.name != STORE)
    several = [_overview(place, runs) for place in below if (runs := states(place))]
    if not several:
        raise SpecificationError(f"{folder}: {wanted} is required, found none in it; {mend}")
    return several


def _overview(folder: Path, runs: list[RunState]) -> Overview:
    name = folder.resolve().name
    return Overview(name, tuple(runs), time.time(), session(folder, runs))


def session(folder: Path, runs: Sequence[RunState]) -> Session | None:
    """Return the multirun that is under way: the newest one, if one of its runs is running and its driver is alive.

    It is None if there is no such multirun. A driver counts as alive unless it is certainly dead.
    """
    plans = [read_json(file) for file in folder.glob("multirun/*/plan.json")]
    known = [(found, plan) for plan in plans if (found := session_of(plan)) is not None]
    if not known:
        return None
    newest, plan = max(known, key=lambda one: one[0].since)
    running = any(run.state == "running" and run.run in newest.runs for run in runs)
    return newest if running and not _dead(plan) else None


def _dead(plan: Any) -> bool:
    """Return whether the driver of a multirun is certainly dead. Nothing is certain about other hosts."""
    pid = plan.get("pid")
    if not isinstance(pid, int) or plan.get("host") != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the states of the runs, once or until none is running or waiting. Return the exit status."""
    parser = Parser(prog="python -m sim.status", description=_HELP)
    parser.add_argument("folder", type=Path, help="outputs/<name>, or outputs for every name below it")
    parser.add_argument("--watch", action="store_true", help="continue until no run is running or waiting (or Ctrl-C)")
    parser.add_argument("--json", action="store_true", help="write JSON lines: each is a list with an entry per name")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.watch:
            _watch(chosen.folder, chosen.json)
        else:
            _show(overviews(chosen.folder), chosen.json)
    except SpecificationError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        pass
    return 0


def _show(found: Sequence[Overview], as_json: bool) -> None:
    """Show everything once."""
    if as_json:
        print(json.dumps([one.plain() for one in found]))
    elif sys.stdout.isatty():
        Console().print(*[view(one, SHOWN, SHOWN, whole=True) for one in found], sep="\n")
    else:
        print(*[line for one in found for line in lines(one, SHOWN, SHOWN)], sep="\n")


def _watch(folder: Path, as_json: bool) -> None:
    """Show everything repeatedly: redrawn in a terminal; elsewhere a line for each name that has changed."""
    console = Console()
    if not as_json and sys.stdout.isatty() and not console.is_dumb_terminal:
        with live(console) as picture:
            while True:
                found = overviews(folder)
                picture.update(Group(*[view(one) for one in found]), refresh=True)
                if not any(one.unfinished for one in found):
                    return
                time.sleep(DRAWN)
    said: dict[str, str] = {}
    while True:
        found = overviews(folder)
        changed = [one for one in found if said.get(one.title) != standing(one)]
        said |= {one.title: standing(one) for one in changed}
        if as_json and changed:
            print(json.dumps([one.plain() for one in found]), flush=True)
        elif changed:
            print(*[headline(one) for one in changed], sep="\n", flush=True)
        if not any(one.unfinished for one in found):
            return
        time.sleep(SAID)


if __name__ == "__main__":
    sys.exit(command(main))
