"""Where the work of a multirun is done. An engine is one small class that starts a worker on a file of tasks.

What became of the points is read from the disk, never from the worker: so an engine needs no way to pass results, and
a worker that dies takes nothing along.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from sim.config import member
from sim.numerics import SpecificationError


@dataclass(frozen=True)
class Ending:
    """How a worker ended: `reason` says in one line why it did not come to its end, "" if it did."""

    reason: str = ""


@runtime_checkable
class Worker(Protocol):
    """A worker that was started."""

    def ended(self) -> Ending | None:
        """How it ended; None while it works. Does not wait."""

    def cancel(self) -> None:
        """End it, and return when it has ended."""


@runtime_checkable
class Engine(Protocol):
    """Starts workers; constructed with the number of workers that run side by side."""

    def submit(self, task: Path) -> Worker:
        """Start `sim.running.worker` on a task file; its output goes to a file of the same name that ends in .log."""


def engine(name: str, workers: int, parameters: Mapping[str, Any]) -> Engine:
    """The engine of a name: the class `Engine` of the member of that name. `parameters` are its own business."""
    constructor: Any = member("engine", name, "hydra.launcher.engine").load().Engine
    made: Engine = constructor(workers, **parameters)
    return made


def check(name: str, workers: int, parameters: Mapping[str, Any]) -> None:
    """Raise SpecificationError for what an engine does not take, before anything is done; see its own `check`."""
    member("engine", name, "hydra.launcher.engine").load().check(workers, parameters)


def no_parameters(name: str, parameters: Mapping[str, Any]) -> None:
    """Raise SpecificationError if parameters are given to an engine that takes none."""
    if parameters:
        raise SpecificationError(
            f"hydra.launcher.parameters: nothing is required with engine={name}, "
            f"found {', '.join(parameters)}; they are those of SLURM jobs"
        )
