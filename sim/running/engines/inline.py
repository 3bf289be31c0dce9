"""An engine for debugging: the work is done in this process."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.numerics import SpecificationError
from sim.running.engines import Ending, no_parameters
from sim.running.worker import work


def check(workers: int, parameters: Mapping[str, Any]) -> None:
    """Raise SpecificationError if there are several workers, or any parameters."""
    if workers > 1:
        raise SpecificationError(
            f"hydra.launcher.workers: 1 is required with engine=inline, found {workers}; "
            "for several workers, choose hydra.launcher.engine=processes"
        )
    no_parameters("inline", parameters)


class Done:
    """A worker that has ended already."""

    handle = None

    def ended(self) -> Ending:
        """Return an ending without a reason. If the work had failed, `submit` would have raised the exception."""
        return Ending()

    def cancel(self) -> None:
        """Do nothing, because the work is done."""


@dataclass(frozen=True)
class Engine:
    """It does the work when a task is submitted. Exceptions and Ctrl-C pass through."""

    workers: int = 1

    def submit(self, task: Path) -> Done:
        """Do the work of a task file."""
        work(task)
        return Done()
