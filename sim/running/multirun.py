"""From the configurations of a multirun to their outcomes: finished runs are kept, an engine does the others.

The state of a run is read from the disk (`sim.disk.ledger`). So it does not matter whether a worker completed its task,
was killed, or belongs to another multirun that does the same runs.
"""

import itertools
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sim.disk import ledger
from sim.disk.files import write_json
from sim.disk.processes import identity
from sim.disk.records import prepare
from sim.numerics import SpecificationError
from sim.running.asked import Launch, Outcomes, Point, kept
from sim.running.build import settings
from sim.running.driving import Driver, ended, taken, writing
from sim.running.engines import engine
from sim.running.identity import target as target_of
from sim.running.jobs import Job, jobs, label, submitting
from sim.running.outcomes import Outcome, failure
from sim.running.plan import shares
from sim.show.counting import counted
from sim.show.live import Board

__all__ = ["Launch", "Point", "multirun"]


def multirun(
    written: Sequence[tuple[tuple[str, ...], Callable[[], Mapping[str, Any]]]],
    folder: Path,
    launch: Launch,
) -> list[Outcome]:
    """Do the runs of a multirun and return their outcomes, in the order of `written`.

    `written` holds, for each run, its overrides and a function that returns its resolved configuration. The plan, the
    tasks and the logs go to `folder`. A bad configuration affects no other run. If several configurations are the same
    run, it is done once. Runs that a job of an earlier command has are not submitted again; this waits for that job. It
    raises SpecificationError if nothing can be written there. A KeyboardInterrupt passes on after the workers that
    cannot outlive this process have been ended.
    """
    since = time.time()
    asked = counted(
        written, len(written), lambda number: f"{len(written):,} runs are asked for; {number:,} are checked"
    )
    points = [_checked(overrides, config) for overrides, config in asked]
    first: dict[Path, Point] = {}
    for point in points:
        if isinstance(point, Point):
            first.setdefault(point.target, point)
    if not first:  # everything was refused, so nothing is written
        return [_outcome(point, first, {}) for point in points]
    for target in {target.parent: target for target in first}.values():
        prepare(target)
    there = [point for target, point in first.items() if target.exists()]
    done = counted(
        there, len(there), lambda number: f"{len(there):,} of these runs are finished; {number:,} are verified"
    )
    known: Outcomes = {point.target: kept(point) for point in done}
    todo = [point for target, point in first.items() if target not in known]
    driver = Driver(engine(launch.engine, launch.workers, launch.parameters), folder, launch)
    with ExitStack() as until_the_end:
        with submitting(folder.parent, launch.engine):
            found = _at_work(todo, folder.parent)
            rest = [point for point in todo if not any(point in theirs for _, theirs in found)]
            parts = [[rest[index] for index in one] for one in shares([one.chosen for one in rest], launch.workers)]
            with writing(folder):
                _write_plan(folder, since, points, known, parts, launch)
                _note_waiting(rest)
            if todo:
                until_the_end.enter_context(ended(driver, todo[0].target.parent))
            board = until_the_end.enter_context(Board(list(first)) if todo and not launch.detach else nullcontext())
            for job, theirs in found:
                driver.attach(job, theirs)
            for part in parts:
                driver.submit(part)
        if board is not None:
            known |= taken(driver.wait(board.update), todo)
    known |= {point.target: _submitted(point) for point in todo if launch.detach}
    return [_outcome(point, first, known) for point in points]


def _at_work(points: Sequence[Point], home: Path) -> list[tuple[Job, list[Point]]]:
    """Return the jobs of earlier commands that will do some of the runs, each with these runs."""
    found: list[tuple[Job, list[Point]]] = []
    left = {label(point.target): point for point in points}
    for job in jobs(home) if points else []:
        theirs = [left.pop(name) for name in sorted(job.runs & left.keys())]
        found += [(job, theirs)] if theirs else []
    return found


def _submitted(point: Point) -> Outcome:
    return Outcome(point.target, "submitted", overrides=point.overrides)


def _note_waiting(points: Sequence[Point]) -> None:
    for point in points:
        state = ledger.state(point.target)
        if state is None or state.state != "running":  # the note of a running run belongs to the process that does it
            ledger.note(point.target, "waiting", overrides=list(point.overrides))


def _checked(overrides: tuple[str, ...], config: Callable[[], Mapping[str, Any]]) -> Point | Outcome:
    """Return the run of a configuration, or the outcome of a configuration that is refused."""
    try:
        chosen = settings(config())
        return Point(overrides, chosen, target_of(chosen))
    except SpecificationError as refusal:
        return replace(failure(None, refusal), overrides=overrides)


def _outcome(point: Point | Outcome, first: Mapping[Path, Point], known: Mapping[Path, Outcome]) -> Outcome:
    if isinstance(point, Outcome):
        return point
    found = known[point.target]
    return found if first[point.target] is point else replace(found, overrides=point.overrides, state="repeated")


# -- files ------------------------------------------------------------------------------------------------------------


def _write_plan(
    folder: Path,
    since: float,
    points: Sequence[Point | Outcome],
    kept: Collection[Path],
    parts: Sequence[Sequence[Point]],
    launch: Launch,
) -> None:
    """Write what was asked for and how it was divided among workers, for people and for `sim.status`."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = [point for point in points if isinstance(point, Point)]
    content = {
        "since": since,
        **identity(),
        "launch": asdict(launch),
        "runs": list(dict.fromkeys(point.target.name for point in runs)),
        "kept": [target.name for target in kept],
        "workers": [[point.target.name for point in part] for part in parts],
        "asked": [
            {"overrides": list(point.overrides)}
            | ({"run": str(point.target)} if isinstance(point, Point) else {"refused": point.reason})
            for point in points
        ],
    }
    names = (folder / f"plan{suffix}.json" for suffix in itertools.chain([""], map("-{}".format, itertools.count(1))))
    write_json(next(file for file in names if not file.exists()), content)
