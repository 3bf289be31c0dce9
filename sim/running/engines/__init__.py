"""Where the work of a multirun is done. An engine is one small class that starts a worker on a task file.

The outcomes of the runs are read from the disk and never passed back by the worker. So an engine needs no way to pass
results, and a worker that dies loses none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from sim.config import member
from sim.numerics import SpecificationError


@dataclass(frozen=True)
class Ending:
    """How a worker ended. `reason` says in one line why it did not complete its task; it is "" if it did."""

    reason: str = ""


@runtime_checkable
class Worker(Protocol):
    """A worker that was started."""

    def ended(self) -> Ending | None:
        """Return how the worker ended; None while it works. This does not wait."""

    def cancel(self) -> None:
        """End the worker, and return when it has ended."""


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


def no_parameters(name: str, parameters: Mapping[str, Any]) -> None:
    """Raise SpecificationError if parameters are given to an engine that takes none."""
    if parameters:
        raise SpecificationError(
            f"hydra.launcher.parameters: an empty mapping is required with engine={name}, "
            f"found {', '.join(parameters)}; only engine=slurm takes parameters"
        )
