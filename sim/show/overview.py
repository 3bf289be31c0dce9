"""The progress of a set of runs as numbers: runs in each state, the share of the work that is done, seconds left."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.disk.ledger import RunState

STATES = ("done", "running", "failed", "interrupted", "misplaced", "waiting")
"""The states of a run, in the order in which they are shown."""

UNCOUNTED = ("failed", "misplaced")
"""The states of runs that are no part of the work."""

LEAST = 0.03
"""Least share of the work for an estimate of the speed. Before that, most of the time has gone into compiling."""


@dataclass(frozen=True)
class Session:
    """One multirun.

    since: when it began [s, on the clock of `Overview.at`]; runs: the hashes of its runs; kept: of those that were
    finished before; before: sum over the other runs of the share that was done when it began.
    """

    since: float
    runs: frozenset[str]
    kept: frozenset[str]
    before: float = 0.0


@dataclass(frozen=True)
class Overview:
    """Runs and their states at one time `at` [s, on any clock that no other host sets]. The session is None if no
    multirun is under way.

    jobs: the numbers of the jobs that have not ended, and their states. attended: whether somebody may do the runs that
    wait; it is False if their driver is certainly dead and no job has them.
    """

    title: str
    runs: tuple[RunState, ...]
    at: float
    session: Session | None = None
    jobs: tuple[tuple[str, str], ...] = ()
    attended: bool = True

    def of(self, state: str) -> list[RunState]:
        """The runs in a state."""
        return [run for run in self.runs if run.state == state]

    @property
    def counts(self) -> dict[str, int]:
        """Number of runs in every state."""
        return {state: len(self.of(state)) for state in STATES}

    @property
    def unfinished(self) -> bool:
        """Whether a run is under way, or waits for somebody who may do it."""
        under_way = ["running", *(["waiting"] if self.attended else []), *(["interrupted"] if self.jobs else [])]
        return any(run.state in under_way for run in self.runs)

    @property
    def silent(self) -> float:
        """The longest time for which a worker at work has given no news [s]; 0 if nobody is known to be silent."""
        return max((silence(run) for run in self.runs), default=0.0)

    @property
    def fraction(self) -> float | None:
        """Mean share of the steps that are done, 0..1. Failed and misplaced runs do not count. None if all are such."""
        return _share(self.runs)

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the time until no run is running or waiting [s]; None if it cannot be estimated.

        In a session, its runs are assumed to continue at their mean speed since it began. Without a session, every
        running run is assumed to continue at its own speed, and waiting runs do not count.
        """
        if self.session is None:
            ends = [_left(_elapsed(run, self.at), [run]) for run in self.of("running")]
            return max((end for end in ends if end is not None), default=None)
        fresh = self.session.runs - self.session.kept
        return _left(self.at - self.session.since, [run for run in self.runs if run.run in fresh], self.session.before)

    def plain(self) -> dict[str, Any]:
        """Return everything as JSON."""
        runs = [{"run": run.run, "state": run.state, "facts": dict(run.facts)} for run in self.runs]
        numbers = {"total": len(self.runs), "counts": self.counts}
        estimates = {"fraction": self.fraction, "seconds_left": self.seconds_left}
        jobs = [{"job": job, "state": state} for job, state in self.jobs]
        return {"name": self.title, "at": self.at, **numbers, **estimates, "runs": runs, "jobs": jobs}


def progress(run: RunState) -> float:
    """Share of a run's steps that are done, 0..1."""
    if run.state == "done":
        return 1.0
    known = run.state in ("running", "interrupted")
    return min(max(_number(run.facts.get("fraction"), 0.0), 0.0), 1.0) if known else 0.0


def silence(run: RunState) -> float:
    """Time for which the worker of a running run has given no news [s]; 0 if that is not known."""
    return _number(run.facts.get("silent"), 0.0) if run.state == "running" else 0.0


def session_of(plan: Any) -> Session | None:
    """Return the session that a plan on the disk describes; None if the plan does not have the expected form."""
    if not isinstance(plan, Mapping) or not isinstance(plan.get("since"), int | float):
        return None
    runs, kept = plan.get("runs", plan.get("points")), plan.get("kept", [])  # older plans: points
    if not isinstance(runs, list) or not isinstance(kept, list):
        return None
    return Session(float(plan["since"]), frozenset(map(str, runs)), frozenset(map(str, kept)))


def _elapsed(run: RunState, at: float) -> float:
    """Return how long a process has worked on a run [s], as it has measured itself, or else since it began."""
    return _number(run.facts.get("elapsed"), at - _number(run.facts.get("since"), at))


def _share(runs: Iterable[RunState]) -> float | None:
    done = [progress(run) for run in runs if run.state not in UNCOUNTED]
    return sum(done) / len(done) if done else None


def _left(elapsed: float, runs: Iterable[RunState], before: float = 0.0) -> float | None:
    """Return the seconds until runs are done if they continue at their speed so far, without those in UNCOUNTED.

    `before` is what was done of them before the time that elapsed. It is None if that cannot be known, because nothing
    is left or too little is done.
    """
    done = [progress(run) for run in runs if run.state not in UNCOUNTED]
    if elapsed <= 0.0 or not LEAST * len(done) <= sum(done) - before or sum(done) >= len(done):
        return None
    return (len(done) - sum(done)) * elapsed / (sum(done) - before)


def _number(value: Any, otherwise: float) -> float:
    """Return a value from a file if it is a number, else `otherwise`, because the file may hold anything."""
    return float(value) if isinstance(value, int | float) and value == value else otherwise
