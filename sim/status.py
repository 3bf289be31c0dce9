"""python -m sim.status <dir> [--watch] [--json]: show which runs are done, running, failed, interrupted or waiting."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console, Group

from sim.arguments import Parser
from sim.disk.files import read_json
from sim.disk.ledger import RunState, states
from sim.disk.news import FileClock, News
from sim.disk.processes import fate
from sim.disk.store import STORE
from sim.numerics import SpecificationError, in_one_line
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
It is misplaced if its folder holds the record of another run, as a copy does. Only the name is looked at;
python -m sim.verify says whether records are intact.
"no news for ..." is shown if a worker has noted no progress for two minutes. A large program may be compiled for about
that time.
Jobs of SLURM that have not ended are listed; they need no driver, and python -m sim.cancel ends them.
The time left is estimated from the share of the steps that were done since the multirun began (or the run, if it was
started alone). Times are those of the file system, because the clocks of two hosts may differ. This command changes
nothing. The exit status is 0, or 2 if there is no run in the folder."""


def overviews(folder: Path, news: News | None = None) -> list[Overview]:
    """Return the runs of outputs/<name>, or of every name below outputs. Raises SpecificationError if none exists.

    `news` remembers what was seen before. Without it, the age of notes is taken from the clock of the file system.
    """
    wanted, mend = "a folder with runs (outputs/<name>)", "correct the path, or start a run first"
    check_folder(folder, wanted, mend)
    news = news or News()
    found = states(folder)
    if found:
        return [_overview(folder, found, news)]
    below = sorted(place for place in folder.glob("[!.]*") if place.name != STORE)
    several = [_overview(place, runs, news) for place in below if (runs := states(place))]
    if not several:
        raise SpecificationError(f"{folder}: {wanted} is required, found none in it; {mend}")
    return several


def _overview(folder: Path, runs: list[RunState], news: News) -> Overview:
    told = tuple(news.told((folder / run.run, run) for run in runs))
    jobs = _jobs(folder)
    under_way, attended = session(folder, told, bool(jobs))
    return Overview(folder.resolve().name, told, FileClock().now(folder), under_way, jobs, attended)


def _jobs(folder: Path) -> tuple[tuple[str, str], ...]:
    """Return the jobs of a folder that have not ended. The engines are asked only if there has been a job."""
    if not any(folder.glob("multirun/*/job-*.json")):
        return ()
    from sim.running.jobs import states

    return states(folder / "multirun")


def session(folder: Path, runs: Sequence[RunState], jobs: bool = False) -> tuple[Session | None, bool]:
    """Return the multirun that is under way, and whether somebody may do the runs that wait.

    It is the newest one, if one of its runs is running and its driver is alive or there are jobs; else None. A driver
    counts as alive unless it is certainly dead. A command that only waits for the jobs of another begins nothing. All
    times are those of the file system. Time in a queue does not count.
    """
    known = [(_begun(file), found, plan) for file, plan, found in _plans(folder)]
    if not known:
        return None, True
    known.sort(key=lambda one: one[0])
    attended = jobs or fate(known[-1][2]) != "dead"
    begun, newest, _ = next((one for one in reversed(known) if one[2].get("workers") != []), known[-1])
    running = any(run.state == "running" and run.run in newest.runs for run in runs)
    return replace(newest, since=begun) if running and attended else None, attended


def _plans(folder: Path) -> Iterator[tuple[Path, Any, Session]]:
    for file in folder.glob("multirun/*/plan.json"):
        plan = read_json(file)
        if (found := session_of(plan)) is not None:
            yield file, plan, found


def _begun(plan: Path) -> float:
    """Return when the first job of a multirun began to work, or when its plan was written if there are no jobs."""
    marks = list(plan.parent.glob("worker-*.began")) if any(plan.parent.glob("job-*.json")) else []
    return min((file.stat().st_mtime for file in marks), default=plan.stat().st_mtime)


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
        print(in_one_line(error), file=sys.stderr)
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
    console, news = Console(), News()
    if not as_json and sys.stdout.isatty() and not console.is_dumb_terminal:
        with live(console) as picture:
            while True:
                found = overviews(folder, news)
                picture.update(Group(*[view(one) for one in found]), refresh=True)
                if not any(one.unfinished for one in found):
                    return
                time.sleep(DRAWN)
    said: dict[str, str] = {}
    while True:
        found = overviews(folder, news)
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
