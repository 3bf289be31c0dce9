"""No worker of its own: the work is done in this process, for debugging."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.numerics import SpecificationError
from sim.running.engines import Ending, no_parameters
from sim.running.worker import work


def check(workers: int, parameters: Mapping[str, Any]) -> None:
    """Raise SpecificationError for several workers, and for parameters."""
    if workers > 1:
        raise SpecificationError(
            f"hydra.launcher.workers: 1 is required with engine=inline, found {workers}; "
            "several workers need hydra.launcher.engine=processes"
        )
    no_parameters("inline", parameters)


class Done:
    """A worker that has ended before anybody could ask."""

    def ended(self) -> Ending:
        """It came to its end, or an exception would have passed through `submit`."""
        return Ending()

    def cancel(self) -> None:
        """Nothing to end."""


@dataclass(frozen=True)
class Engine:
    """Works as soon as a task is submitted; exceptions and Ctrl-C pass through."""

    workers: int = 1

    def submit(self, task: Path) -> Done:
        """Do the work of a task file."""
        work(task)
        return Done()
