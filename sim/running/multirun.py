"""From the points of a multirun to what became of them: what is finished is kept, the rest is handed to an engine.

The truth about a point is on the disk (`sim.disk.ledger`): it is the same whether a worker came to its end, was
killed, or belongs to another multirun that works on the same points.
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
from sim.disk.records import invalidity, prepare, read
from sim.numerics import SpecificationError
from sim.running.build import settings
from sim.running.build import target as target_of
from sim.running.engines import Ending, Engine, EngineName, Worker, engine
from sim.running.outcomes import PointOutcome
from sim.running.plan import shares
from sim.show.live import Board

POLL = 0.05
"""Seconds between two looks at the workers."""


@dataclass(frozen=True)
class Options:
    """How a multirun is done: by which engine (see `sim.running.engines`), and as `sim.running.work.Options` has it."""

    engine: EngineName
    workers: int
    max_batch: int | None
    mapping: Literal["shards", "vmap", "loop"] | None
    checkpoint_seconds: float
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Point:
    """A point to do: how a person wrote it, its canonical configuration, and where its record belongs."""

    overrides: tuple[str, ...]
    chosen: Mapping[str, Any]
    target: Path


Outcomes: TypeAlias = dict[Path, PointOutcome]


def multirun(
    written: Sequence[tuple[tuple[str, ...], Callable[[], Mapping[str, Any]]]],
    folder: Path,
    options: Options,
) -> list[PointOutcome]:
    """What became of each point, in their order; `written` holds the overrides and the resolved configuration of each.

    folder: where plan, tasks and logs go. A bad point costs itself alone, and of points that are the same run the
    first is done. Raises SpecificationError where nothing can be written; KeyboardInterrupt passes after the workers
    have been ended.
    """
    since = time.time()
    points = [_checked(overrides, config) for overrides, config in written]
    first: dict[Path, Point] = {}
    for point in points:
        if isinstance(point, Point):
            first.setdefault(point.target, point)
    for target in {target.parent: target for target in first}.values():
        prepare(target)
    known = {target: _kept(point) for target, point in first.items() if target.exists()}
    todo = [point for target, point in first.items() if target not in known]
    parts = [[todo[index] for index in share] for share in shares([point.chosen for point in todo], options.workers)]
    started = engine(options.engine, options.workers, options.parameters)
    with _writing(folder):
        _write_plan(folder, since, points, known, parts, options)
        _note_waiting(todo)
    if todo:
        with Board(list(first), since) as board:
            known |= _driven(parts, started, folder, options, board.update)
    return [_outcome(point, first, known) for point in points]


def _note_waiting(points: Sequence[Point]) -> None:
    for point in points:
        state = ledger.state(point.target)
        if state is None or state.state != "running":  # then its note is that of the process that is at it
            ledger.note(point.target, "waiting", overrides=list(point.overrides))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Where the plan of a multirun cannot be written, its results could not be either."""
    try:
        yield
    except OSError as problem:
        raise SpecificationError(
            f"outputs: a place that can be written is required, found {folder} ({problem.strerror}); "
            "what is finished is kept, and the same command goes on"
        ) from problem


def _checked(overrides: tuple[str, ...], config: Callable[[], Mapping[str, Any]]) -> Point | PointOutcome:
    """The point, or its refusal."""
    try:
        chosen = settings(config())
        return Point(overrides, chosen, target_of(chosen))
    except SpecificationError as refusal:
        return PointOutcome(overrides, None, "failed", str(refusal), mistake=True)


def _outcome(
    point: Point | PointOutcome, first: Mapping[Path, Point], known: Mapping[Path, PointOutcome]
) -> PointOutcome:
    if isinstance(point, PointOutcome):
        return point
    found = known[point.target]
    return found if first[point.target] is point else replace(found, overrides=point.overrides, became="repeated")


# -- reading the disk -------------------------------------------------------------------------------------------------


def _kept(point: Point, became: Literal["finished", "kept"] = "kept") -> PointOutcome:
    """A record that is there, verified, so that a damaged one is said and not passed on.

    Who was killed between publishing and clearing up has left a work folder behind.
    """
    lock = ledger.claim(point.target) if ledger.work(point.target).exists() else None
    if lock is not None:
        with lock:
            ledger.clear(point.target)
    try:
        invalid = invalidity(read(point.target)) is not None
    except SpecificationError as refusal:
        return PointOutcome(point.overrides, point.target, "failed", str(refusal), mistake=True)
    return PointOutcome(point.overrides, point.target, became, invalid=invalid)


def _settled(point: Point, ending: Ending) -> PointOutcome | None:
    """What became of a point of a worker that has ended; None if it is still to do.

    Who was at work on it when it ended badly is to blame; what was waiting is innocent.
    """
    state = ledger.state(point.target)
    if state is None or state.state == "waiting" or (state.state == "interrupted" and not ending.reason):
        return None
    if state.state == "done":
        return _kept(point, "finished")
    if state.state == "failed":
        reason = str(state.facts.get("reason", "no reason is known"))
        return PointOutcome(point.overrides, point.target, "failed", reason, bool(state.facts.get("mistake")))
    if state.state == "running":
        who = " ".join(f"{key} {value}" for key, value in state.facts.get("holder", {}).items() if key != "since")
        reason = f"another process ({who}) is at it; wait for it, or give the same command again later"
        return PointOutcome(point.overrides, point.target, "failed", reason, mistake=True, refused=True)
    return _blamed(point, ending.reason, state.facts)


def _blamed(point: Point, reason: str, facts: Mapping[str, Any]) -> PointOutcome:
    """A point that fails for a reason, noted."""
    known = {key: value for key, value in facts.items() if key not in ("updated", "reason", "overrides", "holder")}
    with suppress(OSError):  # a full disk: the summary says it all the same
        ledger.note(point.target, "failed", **known, reason=reason, overrides=list(point.overrides))
    return PointOutcome(point.overrides, point.target, "failed", reason)


# -- driving workers --------------------------------------------------------------------------------------------------


def _driven(
    parts: Sequence[Sequence[Point]], started: Engine, folder: Path, options: Options, watch: Callable[[], None]
) -> Outcomes:
    """What became of the points of each part, a worker for each part; what a dead worker left waiting gets another."""
    found: Outcomes = {}
    tasks = _tasks(folder)
    active: list[tuple[Worker, Sequence[Point]]] = []
    waiting = list(parts)
    try:
        while waiting or active:
            while waiting:
                points = waiting.pop(0)
                with _writing(folder):
                    task = _write_task(next(tasks), points, options)
                active.append((started.submit(task), points))
            for worker, points in list(active):
                ending = worker.ended()
                if ending is not None:
                    active.remove((worker, points))
                    left = _settle(points, ending, found, f"its worker did not get to it; see the logs in {folder}")
                    waiting += [left] if left else []
            watch()
            time.sleep(0.0 if waiting or not active else POLL)
    finally:
        for worker, _ in active:
            worker.cancel()
    theirs = [point for point in itertools.chain(*parts) if found[point.target].refused and point.target.exists()]
    return found | {point.target: _kept(point) for point in theirs}


def _settle(points: Sequence[Point], ending: Ending, found: Outcomes, undone: str) -> list[Point]:
    """Note in `found` what became of the points of a worker that has ended; the points that another has to do.

    If it has done nothing for any point, another would not either: then they all fail, `undone` if no more is known.
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
    """Names of task files that are not there yet."""
    return (file for number in itertools.count() if not (file := folder / f"worker-{number}.json").exists())


def _write_task(file: Path, points: Sequence[Point], options: Options) -> Path:
    ours = ("max_batch", "mapping", "checkpoint_seconds")
    given = {name: value for name, value in asdict(options).items() if name in ours}
    write_json(file, {"points": [dict(point.chosen) for point in points], "options": given})
    return file


def _write_plan(
    folder: Path,
    since: float,
    points: Sequence[Point | PointOutcome],
    kept: Collection[Path],
    parts: Sequence[Sequence[Point]],
    options: Options,
) -> None:
    """What was asked for and how it was divided: for a person who wonders later, and for `sim.status`."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = [point for point in points if isinstance(point, Point)]
    content = {
        "since": since,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "options": asdict(options),
        "points": list(dict.fromkeys(point.target.name for point in runs)),
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
