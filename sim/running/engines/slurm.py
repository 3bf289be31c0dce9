"""A SLURM job for each worker, through submitit: what is installed with `pip install sft-diversity[slurm]`.

submitit pickles the call of the worker, and nothing else: what became of the points lies on the disk, which driver and
jobs share. A job outlives its driver; the same command, given again, keeps what it has finished.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.numerics import SpecificationError
from sim.running.engines import Ending
from sim.running.worker import main

CLUSTER = "slurm"
"""The executor of submitit; "local" does the same in processes of this machine, for tests."""


def check(workers: int, parameters: Mapping[str, Any]) -> None:
    """Accept everything: submitit checks its parameters when the engine is made."""
    del workers, parameters


@dataclass(frozen=True)
class Submitted:
    """A job in the queue, at work, or at its end."""

    job: Any

    def ended(self) -> Ending | None:
        """How the job ended; None while it waits or works."""
        if not self.job.done():
            return None
        if self.job.exception() is None:
            return Ending()
        state = self.job.state
        more = "lower hydra.launcher.max_runs, or see" if state == "OUT_OF_MEMORY" else "see"
        return Ending(f"its job {self.job.job_id} ended as {state}; {more} {self.job.paths.stderr}")

    def cancel(self) -> None:
        """Take the job from the queue or end it."""
        self.job.cancel()
        self.job.wait()


class Engine:
    """Jobs of one task each; `parameters` are submitit's, such as timeout_min, gpus_per_node, slurm_partition."""

    def __init__(self, workers: int = 1, **parameters: Any) -> None:
        del workers  # each has a machine, or a share that SLURM gives it
        self.parameters = parameters
        try:
            import submitit

            self._auto = submitit.AutoExecutor
            self._executor(Path()).update_parameters(**parameters)
        except ImportError:
            raise SpecificationError(
                "hydra.launcher.engine: slurm needs submitit, found none; install sft-diversity[slurm]"
            ) from None
        except Exception as problem:  # no SLURM here, or a parameter that it does not know
            raise SpecificationError(
                f"hydra.launcher: slurm does not take this: {' '.join(str(problem).split())}"
            ) from None

    def submit(self, task: Path) -> Submitted:
        """Put a job for a task file into the queue."""
        executor = self._executor(task.parent / "jobs")
        executor.update_parameters(**{"name": "sim.running.worker", **self.parameters})
        return Submitted(executor.submit(main, [str(task)]))

    def _executor(self, folder: Path) -> Any:
        return self._auto(folder, cluster=CLUSTER)
