"""Where the work of a multirun is done. An engine is one small class that starts a worker on a task file.

The outcomes of the runs are read from the disk and never passed back by the worker. So an engine needs no way to pass
results, and a worker that dies loses none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from sim.config import member
from sim.numerics import SpecificationError

JobState: TypeAlias = Literal["waiting", "running", "ended", "unknown"]
"""Where a job is: in the queue, at work, ended, or unknown because nobody answers."""


@dataclass(frozen=True)
class Ending:
    """How a worker ended. `reason` says in one line why it did not complete its task; it is "" if it did."""

    reason: str = ""


@runtime_checkable
class Worker(Protocol):
    """A worker that was started."""

    @property
    def handle(self) -> Mapping[str, Any] | None:
        """What another process needs to find the worker (JSON); its key `job` is for people.

        It is None if the worker ends with the process that started it.
        """

    def ended(self) -> Ending | None:
        """Return how the worker ended; None while it works. This does not wait."""

    def cancel(self) -> None:
        """End the worker, and return when it has ended."""


@runtime_checkable
class Attached(Worker, Protocol):
    """A worker that was found by its handle. It goes on when the process that started it ends."""

    def state(self) -> JobState:
        """Return where the job is. This does not wait."""


@runtime_checkable
class Engine(Protocol):
    """It starts workers. Its constructor takes the number of workers that run side by side."""

    def submit(self, task: Path) -> Worker:
        """Start `sim.running.worker` on a task file. Its output goes to a file with this name, but ending in .log."""


def engine(name: str, workers: int, parameters: Mapping[str, Any]) -> Engine:
    """Construct an engine: the class `Engine` of the member with this name. Each engine has its own `parameters`."""
    constructor: Any = member("engine", name, "hydra.launcher.engine").load().Engine
    made: Engine = constructor(workers, **parameters)
    return made


def check(name: str, workers: int, parameters: Mapping[str, Any]) -> None:
    """Raise SpecificationError if an engine refuses these arguments. Each engine has a `check`; it starts nothing."""
    member("engine", name, "hydra.launcher.engine").load().check(workers, parameters)


def outlives(name: str) -> bool:
    """Return whether the workers of an engine go on when their driver ends: then its file defines `attached`."""
    return hasattr(member("engine", name, "hydra.launcher.engine").load(), "attached")


def attached(name: str, handle: Mapping[str, Any]) -> Attached:
    """Return the worker of an engine that a handle names."""
    found: Attached = member("engine", name, "hydra.launcher.engine").load().attached(handle)
    return found


def check_options(name: str, detach: bool, timeout_seconds: float | None, retries: int) -> None:
    """Raise SpecificationError if an engine cannot do what the options of the launcher ask for."""
    if detach and not outlives(name):
        raise SpecificationError(
            f"hydra.launcher.detach: false is required with engine={name}, found true, because its workers end with "
            "this command; choose hydra.launcher.engine=slurm"
        )
    if detach and retries:
        raise SpecificationError(
            f"hydra.launcher.retries: 0 is required with detach=true, found {retries}, because nobody waits for the "
            "jobs; give the same command again later"
        )
    if timeout_seconds is not None and name == "inline":
        raise SpecificationError(
            f"hydra.launcher.timeout_seconds: null is required with engine=inline, found {timeout_seconds:g}, because "
            "nobody watches this process; choose hydra.launcher.engine=processes"
        )


def last_line(log: Path) -> str:
    """Return the last line of a log that is not empty."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return "it has no log"
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")


def no_parameters(name: str, parameters: Mapping[str, Any]) -> None:
    """Raise SpecificationError if parameters are given to an engine that takes none."""
    if parameters:
        raise SpecificationError(
            f"hydra.launcher.parameters: an empty mapping is required with engine={name}, "
            f"found {', '.join(parameters)}; only engine=slurm and engine=ray take parameters"
        )
