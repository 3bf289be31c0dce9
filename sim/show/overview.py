"""How a set of runs stands, as numbers: how many in which state, the share of the work that is done, seconds left."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.disk.ledger import RunState

STATES = ("done", "running", "failed", "interrupted", "waiting")
"""How a run can stand, in the order in which they are counted up."""

LEAST = 0.03
"""Share of the work after which its speed is known: before that, most of the time has gone into compiling."""


@dataclass(frozen=True)
class Session:
    """One multirun: when it began [epoch s], its runs, and those of them that had been finished before."""

    since: float
    points: frozenset[str]
    kept: frozenset[str]


@dataclass(frozen=True)
class Overview:
    """Runs and how they stood at one time [epoch s]; the session is None where none is under way."""

    title: str
    runs: tuple[RunState, ...]
    at: float
    session: Session | None = None

    def of(self, state: str) -> list[RunState]:
        """The runs in a state."""
        return [run for run in self.runs if run.state == state]

    @property
    def counts(self) -> dict[str, int]:
        """Number of runs in every state."""
        return {state: len(self.of(state)) for state in STATES}

    @property
    def unfinished(self) -> bool:
        """Whether a run is under way or waits for its turn."""
        return any(run.state in ("running", "waiting") for run in self.runs)

    @property
    def fraction(self) -> float | None:
        """Share of all steps that are done, 0..1; failed runs do not count. None if all have failed."""
        return _share(self.runs)

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the time until nothing runs or waits any more [s]; None if there is nothing to go by.

        In a session the runs of it go on at the mean speed since it began. Outside of one every run that is under way
        goes on at its own speed, and what waits is not counted.
        """
        if self.session is None:
            ends = [_left(self.at - _number(run.facts.get("since"), self.at), [run]) for run in self.of("running")]
            return max((end for end in ends if end is not None), default=None)
        fresh = self.session.points - self.session.kept
        return _left(self.at - self.session.since, [run for run in self.runs if run.run in fresh])

    def plain(self) -> dict[str, Any]:
        """Everything as JSON."""
        runs = [{"run": run.run, "state": run.state, "facts": dict(run.facts)} for run in self.runs]
        numbers = {"total": len(self.runs), "counts": self.counts}
        estimates = {"fraction": self.fraction, "seconds_left": self.seconds_left}
        return {"name": self.title, "at": self.at, **numbers, **estimates, "runs": runs}


def progress(run: RunState) -> float:
    """Share of a run's steps that are done, 0..1."""
    if run.state == "done":
        return 1.0
    known = run.state in ("running", "interrupted")
    return min(max(_number(run.facts.get("fraction"), 0.0), 0.0), 1.0) if known else 0.0


def session_of(plan: Any) -> Session | None:
    """The session that a plan on the disk tells of; None if it is not of the form that is expected."""
    if not isinstance(plan, Mapping) or not isinstance(plan.get("since"), int | float):
        return None
    points, kept = plan.get("points"), plan.get("kept", [])
    if not isinstance(points, list) or not isinstance(kept, list):
        return None
    return Session(float(plan["since"]), frozenset(map(str, points)), frozenset(map(str, kept)))


def _share(runs: Iterable[RunState]) -> float | None:
    done = [progress(run) for run in runs if run.state != "failed"]
    return sum(done) / len(done) if done else None


def _left(elapsed: float, runs: Iterable[RunState]) -> float | None:
    """Seconds until runs are done, at the speed that they have had; failed ones do not count.

    None if that cannot be known: nothing is left, or too little is done.
    """
    done = [progress(run) for run in runs if run.state != "failed"]
    if elapsed <= 0.0 or not LEAST * len(done) <= sum(done) < len(done):
        return None
    return (len(done) - sum(done)) * elapsed / sum(done)


def _number(value: Any, otherwise: float) -> float:
    """A number from a file that anybody may have written."""
    return float(value) if isinstance(value, int | float) and value == value else otherwise
