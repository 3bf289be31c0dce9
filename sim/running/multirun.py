"""From the configurations of a multirun to their outcomes: finished runs are kept, an engine does the others.

The state of a run is read from the disk (`sim.disk.ledger`). So it does not matter whether a worker completed its task,
was killed, or belongs to another multirun that does the same runs.
"""

import itertools
import os
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from sim.disk import ledger
from sim.disk.files import write_json
from sim.disk.records import check, invalidity, prepare
from sim.numerics import SpecificationError
from sim.running.build import settings
from sim.running.engines import Ending, Engine, Worker, engine
from sim.running.identity import edited_since
from sim.running.identity import target as target_of
from sim.running.outcomes import Outcome, failure
from sim.running.plan import shares
from sim.show.counting import counted
from sim.show.live import Board

POLL = 0.05
"""Time between two looks at the workers [s]."""


@dataclass(frozen=True)
class Launch:
    """How a multirun is executed: an engine (`sim.running.engines`), and the fields of `cohort.Execution`."""

    engine: str
    workers: int
    max_runs: int | None
    mapping: Literal["shards", "vmap", "loop"] | None
    checkpoint_seconds: float
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Point:
    """A combination that a multirun asks for: overrides, canonical configuration, folder for the record.

    Equal points are one run.
    """

    overrides: tuple[str, ...]
    chosen: Mapping[str, Any]
    target: Path


Outcomes: TypeAlias = dict[Path, Outcome]


def multirun(
    written: Sequence[tuple[tuple[str, ...], Callable[[], Mapping[str, Any]]]],
    folder: Path,
    launch: Launch,
) -> list[Outcome]:
    """Do the runs of a multirun and return their outcomes, in the order of `written`.

    `written` holds, for each run, its overrides and a function that returns its resolved configuration. The plan, the
    tasks and the logs go to `folder`. A bad configuration affects no other run. If several configurations are the same
    run, it is done once. It raises SpecificationError if nothing can be written there. A KeyboardInterrupt passes on
    after the workers have been ended.
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
    known = {point.target: _kept(point) for point in done}
    todo = [point for target, point in first.items() if target not in known]
    parts = [[todo[index] for index in share] for share in shares([point.chosen for point in todo], launch.workers)]
    started = engine(launch.engine, launch.workers, launch.parameters)
    with _writing(folder):
        _write_plan(folder, since, points, known, parts, launch)
        _note_waiting(todo)
    if todo:
        with Board(list(first), since) as board:
            known |= _driven(parts, started, folder, launch, board.update)
    return [_outcome(point, first, known) for point in points]


def _note_waiting(points: Sequence[Point]) -> None:
    for point in points:
        state = ledger.state(point.target)
        if state is None or state.state != "running":  # the note of a running run belongs to the process that does it
            ledger.note(point.target, "waiting", overrides=list(point.overrides))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn an OSError into a refusal: if the plan cannot be written, results could not be written either."""
    try:
        yield
    except OSError as problem:
        raise SpecificationError(
            f"outputs: a folder that can be written is required, found {folder} ({problem.strerror}); "
            "correct that and give the same command again: finished runs are kept"
        ) from problem


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


# -- reading the disk -------------------------------------------------------------------------------------------------


def _kept(point: Point, ended: Literal["finished", "kept"] = "kept") -> Outcome:
    """Return the outcome of a run that has a record. It is verified, so that damage and a wrong name are reported.

    A process that was killed between publishing and clearing up has left a work folder; it is removed.
    """
    ledger.clear_up(point.target)
    try:
        record = check(point.target)
    except SpecificationError as refusal:
        return replace(failure(point.target, refusal), overrides=point.overrides)
    edited = tuple(edited_since(record)) if ended == "kept" else ()
    invalid = invalidity(record) is not None
    return Outcome(point.target, ended, overrides=point.overrides, invalid=invalid, edited=edited)


def _settled(point: Point, ending: Ending) -> Outcome | None:
    """Return the outcome of a run after its worker has ended; None if the run has still to be done.

    If the worker ended with a reason, the runs that it was working on fail. Runs that were waiting do not.
    """
    state = ledger.state(point.target)
    if state is None or state.state == "waiting" or (state.state == "interrupted" and not ending.reason):
        return None
    if state.state == "done":
        return _kept(point, "finished")
    if state.state == "failed":
        reason = str(state.facts.get("reason", "no reason is known"))
        mistake = bool(state.facts.get("mistake"))
        return Outcome(point.target, "failed", reason, mistake, overrides=point.overrides)
    if state.state == "running":
        who = " ".join(f"{key} {value}" for key, value in state.facts.get("holder", {}).items() if key != "since")
        reason = f"another process ({who}) is computing it; wait for it, or give the same command again later"
        return Outcome(point.target, "refused", reason, mistake=True, overrides=point.overrides)
    return _blamed(point, ending.reason, state.facts)


def _blamed(point: Point, reason: str, facts: Mapping[str, Any]) -> Outcome:
    """Note on the disk that a run has failed for a reason, and return its outcome."""
    known = {key: value for key, value in facts.items() if key not in ("updated", "reason", "overrides", "holder")}
    with suppress(OSError):  # if the disk is full, the summary still reports the reason
        ledger.note(point.target, "failed", **known, reason=reason, overrides=list(point.overrides))
    return Outcome(point.target, "failed", reason, overrides=point.overrides)


# -- driving workers --------------------------------------------------------------------------------------------------


def _driven(
    parts: Sequence[Sequence[Point]], started: Engine, folder: Path, launch: Launch, watch: Callable[[], None]
) -> Outcomes:
    """Give each part to a worker and return the outcomes. Runs that a dead worker left waiting get another worker."""
    found: Outcomes = {}
    tasks = _tasks(folder)
    active: list[tuple[Worker, Sequence[Point]]] = []
    waiting = list(parts)
    try:
        while waiting or active:
            while waiting:
                points = waiting.pop(0)
                with _writing(folder):
                    task = _write_task(next(tasks), points, launch)
                active.append((started.submit(task), points))
            for worker, points in list(active):
                ending = worker.ended()
                if ending is not None:
                    active.remove((worker, points))
                    left = _settle(points, ending, found, f"its worker never started it; see the logs in {folder}")
                    waiting += [left] if left else []
            watch()
            time.sleep(0.0 if waiting or not active else POLL)
    finally:
        for worker, _ in active:
            worker.cancel()
    theirs = [
        point for point in itertools.chain(*parts) if found[point.target].state == "refused" and point.target.exists()
    ]
    return found | {point.target: _kept(point) for point in theirs}


def _settle(points: Sequence[Point], ending: Ending, found: Outcomes, undone: str) -> list[Point]:
    """Put the outcomes of a worker that has ended into `found`, and return the runs that another worker has to do.

    If the worker settled no run at all, another one would not do better. Then all its runs fail, with the reason of the
    worker, or with `undone` if it gave none.
    """
    settled = [(point, _settled(point, ending)) for point in points]
    found |= {point.target: outcome for point, outcome in settled if outcome is not None}
    left = [point for point, outcome in settled if outcome is None]
    if len(left) < len(points):
        return left
    found |= {point.target: _blamed(point, ending.reason or undone, {}) for point in left}
    return []


# -- files ------------------------------------------------------------------------------------------------------------


def _tasks(folder: Path) -> Iterator[Path]:
    """Iterate over the names of task files that do not exist yet."""
    return (file for number in itertools.count() if not (file := folder / f"worker-{number}.json").exists())


def _write_task(file: Path, points: Sequence[Point], launch: Launch) -> Path:
    ours = ("max_runs", "mapping", "checkpoint_seconds")
    given = {name: value for name, value in asdict(launch).items() if name in ours}
    write_json(file, {"runs": [dict(point.chosen) for point in points], "execution": given})
    return file


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
        "pid": os.getpid(),
        "host": socket.gethostname(),
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
