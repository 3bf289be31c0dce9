"""Where the work of a multirun is done. An engine is one small class that starts a worker on a file of tasks.

What became of the points is read from the disk, never from the worker: so an engine needs no way to pass results, and
a worker that dies takes nothing along.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

EngineName: TypeAlias = Literal["processes", "inline", "slurm"]


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


def engine(name: EngineName, workers: int, parameters: Mapping[str, Any]) -> Engine:
    """The engine of a name: the class `Engine` of the module of that name. `parameters` are its own business."""
    constructor: Any = importlib.import_module(f"sim.running.engines.{name}").Engine
    made: Engine = constructor(workers, **parameters)
    return made
