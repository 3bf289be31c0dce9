"""Workers that go on without their driver, as the folder of a multirun remembers them: one small file for each job."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.disk.files import read_json, write_json
from sim.disk.locks import acquire
from sim.running.engines import Attached, Worker, attached, outlives


@dataclass(frozen=True, eq=False)
class Job:
    """A job that has not ended: its number in the queue, its runs as <name>/<hash>, and the worker itself."""

    number: str
    runs: frozenset[str]
    worker: Attached


def label(target: Path) -> str:
    """Return the name of a run in the file of a job, <name>/<hash>. It does not depend on the current folder."""
    return f"{target.absolute().parent.name}/{target.name}"


def remember(task: Path, engine: str, worker: Worker, targets: Sequence[Path]) -> None:
    """Write down which job does a task, so that status, cancelling and the same command need no driver."""
    if worker.handle is not None:
        content = {"engine": engine, "handle": dict(worker.handle), "runs": [label(target) for target in targets]}
        write_json(task.with_name(f"job-{task.stem.removeprefix('worker-')}.json"), content)


def jobs(multirun: Path) -> list[Job]:
    """Return the jobs below outputs/<name>/multirun that have not ended, the oldest first."""
    found = (_job(read_json(file)) for file in sorted(multirun.glob("*/job-*.json")))
    return [job for job in found if job is not None and job.worker.state() != "ended"]


def _job(content: Any) -> Job | None:
    try:
        worker = attached(str(content["engine"]), content["handle"])
        return Job(str(content["handle"]["job"]), frozenset(map(str, content["runs"])), worker)
    except (KeyError, TypeError, ValueError):  # not a file of ours
        return None


def states(multirun: Path) -> tuple[tuple[str, str], ...]:
    """Return the number and the state of every job that has not ended."""
    return tuple((job.number, job.worker.state()) for job in jobs(multirun))


@contextmanager
def submitting(multirun: Path, engine: str) -> Iterator[None]:
    """Within this context no other process submits jobs for the same name, so none submits the same runs again."""
    with (acquire(multirun / ".submitting", wait=True) if outlives(engine) else None) or nullcontext():
        yield
