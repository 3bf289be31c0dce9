"""Drive the workers of a multirun: give them their runs, wait for them, and give what they left undone to others.

A worker that ends with its driver is ended when the driver is interrupted. Jobs go on. If the same command is given
again, it finds them and waits for them.
"""

import itertools
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sim.disk import ledger
from sim.disk.files import write_json
from sim.disk.news import News, silent_for
from sim.numerics import SpecificationError
from sim.places import reason as why
from sim.running.asked import Launch, Outcomes, Point, kept
from sim.running.engines import Ending, Engine, Worker, outlives
from sim.running.jobs import Job, remember
from sim.running.outcomes import Outcome
from sim.streams import uninterrupted

POLL = 0.05
"""Time between two looks at the workers [s]."""

NEWS = 0.5
"""Time between two looks for news of the workers, if they have a limit [s]."""


@dataclass(eq=False)
class Active:
    """A worker that was started or found, and its runs. `looked` is when we last looked for news [s, monotonic]."""

    worker: Worker
    points: Sequence[Point]
    news: News = field(default_factory=News)
    looked: float = field(default_factory=time.monotonic)

    def silent(self, seconds: float) -> bool:
        """Return whether no note of the runs has changed for so long. This looks at the disk now and then only."""
        if time.monotonic() - self.looked < min(NEWS, seconds / 2):
            return False
        self.looked = time.monotonic()
        return min(self.news.silence(point.target) for point in self.points) >= seconds


@dataclass(eq=False)
class Driver:
    """The workers of a multirun, and what is known about its runs. Tasks and logs are in `folder`."""

    engine: Engine
    folder: Path
    launch: Launch
    found: Outcomes = field(default_factory=dict)
    active: list[Active] = field(default_factory=list)
    tried: Counter[Path] = field(default_factory=Counter)

    def attach(self, job: Job, points: Sequence[Point]) -> None:
        """Wait for a job that an earlier command has submitted."""
        self.active.append(Active(job.worker, points))

    def submit(self, points: Sequence[Point]) -> None:
        """Give runs to a new worker."""
        with writing(self.folder):
            task = _new_task(self.folder)
            _write_task(task, points, self.launch)
        with uninterrupted() if outlives(self.launch.engine) else nullcontext():
            worker = self.engine.submit(task)
            self.active.append(Active(worker, points))
            with writing(self.folder):
                remember(task, self.launch.engine, worker, [point.target for point in points])

    def numbers(self) -> list[str]:
        """Return the numbers of the jobs that go on without this process."""
        return [str(one.worker.handle["job"]) for one in self.active if one.worker.handle is not None]

    def wait(self, watch: Callable[[], None]) -> Outcomes:
        """Wait until every run has an outcome, and return the outcomes."""
        while self.active:
            waiting: list[Sequence[Point]] = []
            for one in list(self.active):
                ending = one.worker.ended() or self._cut_short(one)
                if ending is not None:
                    self.active.remove(one)
                    left = self._settle(one.points, ending)
                    waiting += [left] if left else []
            for points in waiting:
                self.submit(points)
            watch()
            time.sleep(0.0 if waiting or not self.active else POLL)
        return self.found

    def _cut_short(self, one: Active) -> Ending | None:
        """End a worker that has given no news for longer than the limit. A job sees to its limit itself."""
        limit = self.launch.timeout_seconds
        if limit is None or one.worker.handle is not None or not one.silent(limit):
            return None
        one.worker.cancel()
        return Ending(silent_for(limit))

    def _settle(self, points: Sequence[Point], ending: Ending) -> list[Point]:
        """Note the outcomes of a worker that has ended, and return the runs that another worker has to do.

        If the worker ended with a reason, the runs that it was working on have used up one of their tries. If it
        started no run at all, all of them have. Runs without a further try fail, with the reason of the worker.
        """
        states = {point: ledger.state(point.target, patient=True) for point in points}
        settled = {point: _settled(point, state) for point, state in states.items()}
        self.found |= {point.target: outcome for point, outcome in settled.items() if outcome is not None}
        left = [point for point, outcome in settled.items() if outcome is None]
        cut = [point for point in left if ending.reason and _begun(states[point])]
        if not cut and len(left) == len(points):
            cut = left
        self.tried.update(point.target for point in cut)
        failed = [point for point in cut if self.tried[point.target] > self.launch.retries]
        reason = ending.reason or f"its worker never started it; see the logs in {self.folder}"
        self.found |= {point.target: _blamed(point, reason, states[point]) for point in failed}
        return [point for point in left if point not in failed]


@contextmanager
def ended(driver: Driver, name: Path) -> Iterator[None]:
    """At the end of the block, end the workers that cannot outlive this process, and name the jobs that go on."""
    try:
        yield
    finally:
        for one in driver.active:
            if one.worker.handle is None:
                one.worker.cancel()
        if driver.numbers():
            with suppress(Exception):  # the terminal may be lost
                stream = sys.stdout if driver.launch.detach else sys.stderr
                print(go_on(driver.numbers(), name), file=stream, flush=True)


def go_on(numbers: Sequence[str], name: Path) -> str:
    """Return one line about jobs that go on without this process."""
    several = len(numbers) != 1
    return (
        f"job{'s' * several} {', '.join(numbers)} go{'es' * (not several)} on without this command; "
        f"watch: python -m sim.status {name}; cancel: python -m sim.cancel {name}"
    )


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn an OSError into a refusal: if the plan cannot be written, results could not be written either."""
    try:
        yield
    except OSError as problem:
        raise SpecificationError(
            f"outputs: a folder that can be written is required, found {folder} ({why(problem)}); "
            "correct that and give the same command again: finished runs are kept"
        ) from problem


# -- reading the disk -------------------------------------------------------------------------------------------------


def _settled(point: Point, state: ledger.RunState | None) -> Outcome | None:
    """Return the outcome of a run after its worker has ended; None if the run has still to be done."""
    if state is None or state.state in ("waiting", "interrupted"):
        return None
    if state.state == "done":
        return kept(point, "finished")
    if state.state == "failed":
        reason = str(state.facts.get("reason", "no reason is known"))
        return Outcome(
            point.target, "failed", reason, mistake=bool(state.facts.get("mistake")), overrides=point.overrides
        )
    who = " ".join(f"{key} {value}" for key, value in state.facts.get("holder", {}).items() if key != "since")
    reason = f"another process ({who}) is computing it; wait for it, or give the same command again later"
    return Outcome(point.target, "refused", reason, mistake=True, overrides=point.overrides)


def _begun(state: ledger.RunState | None) -> bool:
    return state is not None and state.state == "interrupted"


def _blamed(point: Point, reason: str, state: ledger.RunState | None) -> Outcome:
    """Note on the disk that a run has failed for a reason, and return its outcome."""
    facts: Mapping[str, Any] = state.facts if state is not None and _begun(state) else {}
    known = {key: value for key, value in facts.items() if key not in ("updated", "reason", "overrides", "holder")}
    with suppress(OSError):  # if the disk is full, the summary still reports the reason
        ledger.note(point.target, "failed", **known, reason=reason, overrides=list(point.overrides))
    return Outcome(point.target, "failed", reason, overrides=point.overrides)


def taken(found: Outcomes, points: Sequence[Point]) -> Outcomes:
    """Return the outcomes again: runs that were refused, and that another process has finished by now, are kept."""
    theirs = [point for point in points if found[point.target].state == "refused" and point.target.exists()]
    return found | {point.target: kept(point) for point in theirs}


# -- tasks ------------------------------------------------------------------------------------------------------------


def _new_task(folder: Path) -> Path:
    """Return the name of a task file that does not exist yet."""
    return next(file for number in itertools.count() if not (file := folder / f"worker-{number}.json").exists())


def _write_task(file: Path, points: Sequence[Point], launch: Launch) -> None:
    ours = ("max_runs", "mapping", "checkpoint_seconds", "laws")
    given = {name: value for name, value in asdict(launch).items() if name in ours}
    content: dict[str, Any] = {"runs": [dict(point.chosen) for point in points], "execution": given}
    if launch.timeout_seconds is not None and outlives(launch.engine):
        targets = [str(point.target.absolute()) for point in points]
        content["limit"] = {"seconds": launch.timeout_seconds, "targets": targets}
    write_json(file, content)
