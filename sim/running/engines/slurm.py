"""An engine that gives each worker a SLURM job, through submitit (`pip install sft-diversity[slurm]`).

submitit pickles the call of the worker and nothing else. Outcomes lie on the disk, which the driver and the jobs must
share. A job goes on when its driver ends. Its handle is enough to find it again, without submitit: whether it is in the
queue is asked of `squeue`, and whether it has ended well is read from its result file. A job that is preempted, or that
reaches its time limit, goes back to the queue and then continues from its checkpoints.
"""

import os
import pickle
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from sim.disk.processes import fate, identity, is_certain
from sim.numerics import SpecificationError, in_one_line
from sim.running.engines import Ending, JobState, last_line
from sim.running.together import of_slurm
from sim.running.worker import main
from sim.streams import Terminated

CLUSTERS = ("slurm", "local")
"""Executors of submitit. `local` does the same in processes of this machine, to try things without SLURM."""

ASKED = 5.0
"""Least time between two questions to the scheduler [s]."""

LATE = 15.0
"""Time after the end of a job in which its result may still appear on a network file system [s]."""

PATIENCE = {signal.SIGTERM: 10.0, signal.SIGINT: 5.0, signal.SIGKILL: 5.0}
"""How a local job is ended, and how long it may take after each signal [s]."""

LIMIT = signal.SIGUSR2
"""The signal with which submitit has SLURM announce the time limit of a job."""

AT_THE_LIMIT = "slurm_max_num_timeout"
"""A parameter that submitit takes in the constructor only: how often a job may begin again after its time limit."""

WORKING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT")
"""States in which a job of SLURM has begun. In all other states of the queue it waits."""


_children: list[Any] = []  # the processes of local jobs: Python complains about those that it forgets


def check(workers: int, parameters: Mapping[str, Any]) -> None:
    """Raise SpecificationError for an unknown cluster. submitit checks the rest when the engine is constructed."""
    del workers
    cluster = parameters.get("cluster", "slurm")
    if cluster not in CLUSTERS:
        raise SpecificationError(
            f"hydra.launcher.parameters.cluster: one of {', '.join(CLUSTERS)} is required, found {cluster!r}"
        )


def attached(handle: Mapping[str, Any]) -> "Submitted":
    """Return the job that a handle names. The process that submitted it may have ended."""
    return Submitted(str(handle["job"]), handle["cluster"], Path(handle["folder"]), handle.get("process"))


class Submitted:
    """A job that waits in the queue, works, or has ended."""

    def __init__(
        self, job: str, cluster: Literal["slurm", "local"], folder: Path, process: Mapping[str, Any] | None = None
    ) -> None:
        self.job, self.cluster, self.folder, self.process = job, cluster, folder, process or {}
        self._known_since, self._gone_since = time.monotonic(), None

    _gone_since: float | None

    @property
    def handle(self) -> Mapping[str, Any]:
        """What another process needs to find the job."""
        known = {"job": self.job, "cluster": self.cluster, "folder": str(self.folder)}
        return known | ({"process": dict(self.process)} if self.process else {})

    def state(self) -> JobState:
        """Return where the job is. It is unknown if the scheduler does not answer here or now."""
        if self._file("result.pkl").exists():
            return "ended"
        if self.cluster == "local":
            _children[:] = [child for child in _children if child.poll() is None]
            known: Mapping[str, JobState] = {"alive": "running", "dead": "ended", "unknown": "unknown"}
            return known[fate(self.process)]
        queue = _queue(self._known_since)
        if queue is None:
            return "unknown"
        word = queue.get(self.job)
        return "ended" if word is None else "running" if word in WORKING else "waiting"

    def ended(self) -> Ending | None:
        """Return how the job ended; None while it waits or works, or if that is unknown."""
        if self.state() != "ended":
            self._gone_since = None
            return None
        self._gone_since = time.monotonic() if self._gone_since is None else self._gone_since
        result, errors = self._result(), self._file("log.err")
        if result is None and self.cluster == "slurm" and time.monotonic() - self._gone_since < LATE:
            return None
        if result is not None and result[0] == "success":
            return Ending()
        how = _final(self.job) if self.cluster == "slurm" and result is None else ""
        more = "lower hydra.launcher.max_runs, or see" if how == "OUT_OF_MEMORY" else "see"
        said = last_line(errors) if result is None else str(result[1]).strip().rpartition("\n")[2]
        return Ending(f"its job {self.job} ended{how and f' as {how}'} without a result: {said}; {more} {errors}")

    def cancel(self) -> None:
        """Remove the job from the queue, or end it, and return when it has ended or does not listen."""
        if self.cluster == "local":
            self._end_process()
            return
        subprocess.run(["scancel", self.job], check=False, capture_output=True)
        self._wait(60.0)

    def _end_process(self) -> None:
        for number, patience in PATIENCE.items():
            if is_certain(self.process) and fate(self.process) == "alive":
                with suppress(ProcessLookupError):
                    os.kill(self.process["pid"], number)
                self._wait(patience)

    def _wait(self, patience: float) -> None:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            self._known_since = time.monotonic()
            if self.state() == "ended":
                return
            time.sleep(0.05 if self.cluster == "local" else 1.0)

    def _file(self, what: str) -> Path:
        """Return a file that submitit names for a job."""
        return self.folder / f"{self.job}_0_{what}"

    def _result(self) -> tuple[str, Any] | None:
        with suppress(OSError):  # this makes NFS look for new files
            self.folder.chmod(self.folder.stat().st_mode)
        try:
            found: tuple[str, Any] = pickle.loads(self._file("result.pkl").read_bytes())
        except FileNotFoundError:
            return None
        return found


class Engine:
    """Jobs of one task each. `parameters` are `cluster` and submitit's, such as timeout_min or slurm_partition."""

    def __init__(self, workers: int = 1, cluster: str = "slurm", **parameters: Any) -> None:
        del workers  # each worker has the resources that SLURM gives to its job
        self.cluster = cluster
        self.parameters = {name: value for name, value in parameters.items() if name != AT_THE_LIMIT}
        self.fixed = {name: value for name, value in parameters.items() if name == AT_THE_LIMIT}
        try:
            import submitit

            self._auto = submitit.AutoExecutor
            self._executor(Path()).update_parameters(**self.parameters)
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
        try:
            job = executor.submit(work, str(task))
        except Exception as problem:  # what SLURM refuses, such as a partition that does not exist
            said = in_one_line(problem)
            raise SpecificationError(f"hydra.launcher.parameters: SLURM did not take the job: {said}") from problem
        process = None
        if self.cluster == "local":
            process = identity(int(job.job_id))
            _children.append(job._process)
        return Submitted(str(job.job_id), self.cluster, Path(job.paths.folder).absolute(), process)  # type: ignore[arg-type]

    def _executor(self, folder: Path) -> Any:
        return self._auto(folder, cluster=self.cluster, **self.fixed)


class Work:
    """The call that a job makes. If SLURM takes the node away, the last checkpoints are written first."""

    def __call__(self, task: str) -> int:
        """Do a task in a job. If a signal ends it, it leaves no result, so that the job may begin again."""
        requeue = signal.getsignal(LIMIT)

        def end(number: int, frame: FrameType | None) -> None:
            del frame
            raise Terminated(number)

        for number in (signal.SIGTERM, LIMIT):
            signal.signal(number, end)
        try:
            where = of_slurm()
            several = [] if where is None else [f"--together={where.address},{where.number},{where.index}"]
            return main([task, *several])
        except Terminated as ended:
            for number in (signal.SIGTERM, LIMIT):
                signal.signal(number, signal.SIG_IGN)
            print(f"{ended}: the last checkpoints are written", flush=True)
            if ended.status == 128 + LIMIT and callable(requeue):
                requeue(LIMIT, None)  # submitit's: it counts the time limits, puts the job back, and exits
            if ended.status == 128 + signal.SIGTERM and (job := os.environ.get("SLURM_JOB_ID")) and _is_preempted(job):
                _asked(["scontrol", "requeue", job])
            raise SystemExit(ended.status) from None

    def checkpoint(self, task: str) -> Any:
        """Return what submitit submits again at the time limit: the same call, which continues from the checkpoints."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, task)


work = Work()


# -- the scheduler ----------------------------------------------------------------------------------------------------

_last: list[tuple[float, dict[str, str] | None]] = []  # the last answer of the scheduler, and when it was asked


def _queue(since: float) -> dict[str, str] | None:
    """Return the state of every job of this user in the queue, asked after `since`; None if there is no answer."""
    now = time.monotonic()
    if not _last or _last[0][0] < since or now - _last[0][0] >= ASKED:
        said = _asked(["squeue", "--noheader", f"--user={os.getuid()}", "--format=%A %T"])
        lines = None if said is None else [line.split() for line in said.splitlines()]
        _last[:] = [(now, None if lines is None else {line[0]: line[1] for line in lines if len(line) == 2})]
    return _last[0][1]


def _final(job: str) -> str:
    """Return the last state of a job, such as FAILED or TIMEOUT; "" if nobody knows it any more."""
    said = _asked(["scontrol", "show", "job", job])
    if said is not None and (found := re.search(r"JobState=(\w+)", said)):
        return found[1]
    return ((_asked(["sacct", "--noheader", "-X", f"--jobs={job}", "--format=State"]) or "").split() or [""])[0]


def _is_preempted(job: str) -> bool:
    """Return whether SLURM gives this job time to end before it takes the node. A job that ends then is not requeued.

    A job that is cancelled, or that SLURM requeues itself, is not in the state RUNNING.
    """
    said = _asked(["scontrol", "show", "job", job]) or ""
    return bool(re.search(r"JobState=RUNNING\b", said) and re.search(r"PreemptTime=\d", said))


def _asked(command: Sequence[str]) -> str | None:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return None
