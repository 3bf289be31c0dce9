"""Child processes that give way to whatever else the machine has to do."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.running.engines import no_parameters, processes


def check(workers: int, parameters: Mapping[str, Any]) -> None:
    """Raise SpecificationError if there are parameters."""
    del workers
    no_parameters("gentle", parameters)


@dataclass(frozen=True)
class Engine:
    """An engine like `processes`, whose workers have the lowest priority."""

    workers: int = 1

    def submit(self, task: Path) -> processes.Child:
        """Start a child on a task file."""
        child = processes.Engine(self.workers).submit(task)
        os.setpriority(os.PRIO_PROCESS, child.process.pid, 19)
        return child
