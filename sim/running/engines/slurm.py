"""An engine that gives each worker a SLURM job, through submitit (`pip install sft-diversity[slurm]`).

submitit pickles the call of the worker and nothing else. Outcomes lie on the disk, which the driver and the jobs must
share. A job continues when its driver ends. If the same command is given again, it keeps the runs that are finished.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.numerics import SpecificationError
from sim.running.engines import Ending
from sim.running.worker import main

CLUSTER = "slurm"
"""The executor of submitit. For tests, "local" does the same in processes of this machine."""


def check(workers: int, parameters: Mapping[str, Any]) -> None:
    """Accept everything, because submitit checks its parameters when the engine is constructed."""
    del workers, parameters


@dataclass(frozen=True)
class Submitted:
    """A job that waits in the queue, works, or has ended."""

    job: Any

    def ended(self) -> Ending | None:
        """Return how the job ended; None while it waits or works."""
        if not self.job.done():
            return None
        if self.job.exception() is None:
            return Ending()
        state = self.job.state
        more = "lower hydra.launcher.max_runs, or see" if state == "OUT_OF_MEMORY" else "see"
        return Ending(f"its job {self.job.job_id} ended as {state}; {more} {self.job.paths.stderr}")

    def cancel(self) -> None:
        """Remove the job from the queue, or end it."""
        self.job.cancel()
        self.job.wait()


class Engine:
    """Jobs of one task each. `parameters` are submitit's, such as timeout_min, gpus_per_node or slurm_partition."""

    def __init__(self, workers: int = 1, **parameters: Any) -> None:
        del workers  # each worker has the resources that SLURM gives to its job
        self.parameters = parameters
        try:
            import submitit

            self._auto = submitit.AutoExecutor
            self._executor(Path()).update_parameters(**parameters)
        except ImportError:
            raise SpecificationError(
                "hydra.launcher.engine: submitit is required for slurm, found none; install sft-diversity[slurm]"
            ) from None
        except Exception as problem:  # SLURM is missing, or a parameter is unknown to submitit
            raise SpecificationError(
                f"hydra.launcher: submitit refused these settings: {' '.join(str(problem).split())}"
            ) from None

    def submit(self, task: Path) -> Submitted:
        """Put a job for a task file into the queue."""
        executor = self._executor(task.parent / "jobs")
        executor.update_parameters(**{"name": "sim.running.worker", **self.parameters})
        return Submitted(executor.submit(main, [str(task)]))

    def _executor(self, folder: Path) -> Any:
        return self._auto(folder, cluster=CLUSTER)
