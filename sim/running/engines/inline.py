"""No worker of its own: the work is done in this process, for debugging."""

from dataclasses import dataclass
from pathlib import Path

from sim.running.engines import Ending
from sim.running.worker import work


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
