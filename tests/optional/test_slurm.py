"""The engine for SLURM on a real SLURM of one node: the bits of child processes, preemption, the time limit.

    .venv/bin/python -m pytest -m optional tests/optional/test_slurm.py

It needs root, Debian's packages slurm-wlm and munge, and the extra `slurm`. The daemons listen on the loopback only and
keep everything in a folder of the test.
"""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.composed import ROOT
from tests.optional import slurm
from tests.optional.sweeps import WORLD, numbers, sweep

pytestmark = [pytest.mark.optional, pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing())]

SHORT = (*WORLD, "seed=1,2,3", "optimizer.learning_rate=0.01,0.05", "name=short")
LONG = (*WORLD, "seed=1,2", "pretrain.num_steps=150000", "name=long")
"""Half a minute of pretraining."""

PATIENCE = 240.0  # [s], far beyond what a job here needs


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("submitit")
    return tmp_path_factory.mktemp("slurm")


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[dict[str, str]]:
    (home / "daemons").mkdir()
    with slurm.cluster(home / "daemons", grace=20) as environment:
        yield environment


ON_SLURM = ("hydra.launcher.engine=slurm", "+hydra.launcher.parameters.slurm_mem=1GB")


def overview(outputs: Path, cluster: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "sim.status", str(outputs / "long"), "--json"]
    said = subprocess.run(command, cwd=ROOT, env=cluster, capture_output=True, text=True, check=True).stdout
    (found,) = json.loads(said)
    return found


def checkpoints(outputs: Path) -> list[int]:
    """The steps of the checkpoints of pretrainings."""
    return sorted(int(one.name.rpartition("-")[2]) for one in outputs.glob("store/.work/*/checkpoint-pretrain-*"))


@pytest.fixture(scope="module")
def expected(home: Path) -> dict[str, dict[str, str]]:
    sweep(home / "processes", *LONG)
    return numbers(home / "processes", "long")


def test_slurm_gives_the_bits_of_child_processes(home: Path, cluster: dict[str, str]) -> None:
    sweep(home / "short" / "processes", *SHORT, "hydra.launcher.workers=2")
    said = sweep(home / "short" / "slurm", *SHORT, *ON_SLURM, "hydra.launcher.workers=2", environment=cluster)
    assert said.startswith("6 runs: 6 finished")
    found = [numbers(home / "short" / place, "short") for place in ("processes", "slurm")]
    assert len(found[0]) == 6
    assert all(len(files) >= 3 for files in found[0].values())
    assert found[0] == found[1]
    logs = list((home / "short" / "slurm" / "short").glob("multirun/*/jobs/*_0_log.out"))
    assert len(logs) == 2, "each worker is a job"


def test_the_tasks_of_one_job_train_together(home: Path, cluster: dict[str, str]) -> None:
    outputs = home / "short" / "together"
    together = "+hydra.launcher.parameters.tasks_per_node=2"
    said = sweep(outputs, *SHORT, *ON_SLURM, together, environment=cluster)
    assert said.startswith("6 runs: 6 finished")
    assert numbers(outputs, "short") == numbers(home / "short" / "processes", "short")
    followers = list((outputs / "short").glob("multirun/*/jobs/*_1_log.out"))
    assert len(followers) == 1
    assert "Job completed successfully" in followers[0].read_text(encoding="utf-8")
    assert ": finished" not in followers[0].read_text(encoding="utf-8"), "only the first task does runs"


def begun(outputs: Path, cluster: dict[str, str], *more: str) -> str:
    """Submit the long sweep, wait until it has written checkpoints, and return the number of its job."""
    said = sweep(outputs, *LONG, *ON_SLURM, "hydra.launcher.detach=true", *more, environment=cluster)
    job = re.search(r"job (\d+) goes on", said)
    assert job is not None, said
    slurm.until(lambda: checkpoints(outputs) and checkpoints(outputs)[0] > 1000, "no checkpoints", PATIENCE)
    return job[1]


def finished(outputs: Path, job: str, cluster: dict[str, str]) -> str:
    """Wait until a job has left the queue, and return its logs."""

    def queue() -> list[str]:
        return slurm.asked(cluster, "squeue", "--noheader", "--format=%A").split()

    slurm.until(lambda: job not in queue(), "it does not end", PATIENCE)
    (folder,) = (outputs / "long" / "multirun").glob("*/jobs")
    return "\n".join((folder / f"{job}_0_log.{end}").read_text(encoding="utf-8") for end in ("out", "err"))


def went_on(outputs: Path, job: str, said: str, cluster: dict[str, str]) -> None:
    """The same job began again, after its last checkpoints, and ended well; nothing was submitted again."""
    starts = said.count("Starting with JobEnvironment")
    assert starts >= 2, said
    assert said.count("the last checkpoints are written") == starts - 1, said
    assert said.count("Job completed successfully") == 1, said
    assert [one["state"] for one in overview(outputs, cluster)["runs"]] == ["done"] * 2
    assert "2 runs: 2 kept" in sweep(outputs, *LONG, *ON_SLURM, environment=cluster)
    assert len(list((outputs / "long" / "multirun").glob("*/job-*.json"))) == 1


def test_a_preempted_job_goes_on(home: Path, cluster: dict[str, str], expected: dict[str, dict[str, str]]) -> None:
    outputs = home / "preempted"
    job = begun(outputs, cluster)
    urgent = ("sbatch", "--partition=urgent", "--exclusive", f"--output={home}/urgent", "--wrap", "sleep 5")
    assert "Submitted" in slurm.asked(cluster, *urgent)
    slurm.until(lambda: "PENDING" in slurm.asked(cluster, "squeue", f"--jobs={job}", "--noheader", "--format=%T"),
                "it is not preempted", PATIENCE)  # fmt: skip
    assert checkpoints(outputs), "the checkpoints lie there while it waits"
    assert overview(outputs, cluster)["jobs"], "the job is still known"
    went_on(outputs, job, finished(outputs, job, cluster), cluster)
    assert numbers(outputs, "long") == expected


def test_a_job_at_its_time_limit_goes_on(home: Path, cluster: dict[str, str], expected: Any) -> None:
    outputs = home / "limited"
    limits = ("+hydra.launcher.parameters.timeout_min=2", "+hydra.launcher.parameters.slurm_signal_delay_s=105",
              "+hydra.launcher.parameters.slurm_max_num_timeout=50")  # fmt: skip
    job = begun(outputs, cluster, *limits)
    went_on(outputs, job, said := finished(outputs, job, cluster), cluster)
    assert "Job has timed out" in said
    assert numbers(outputs, "long") == expected


def test_a_cancelled_job_does_not_come_back(home: Path, cluster: dict[str, str], expected: Any) -> None:
    outputs = home / "cancelled"
    job = begun(outputs, cluster)
    before = checkpoints(outputs)[-1]
    command = [sys.executable, "-m", "sim.cancel", str(outputs / "long")]
    subprocess.run(command, cwd=ROOT, env=cluster, check=True, capture_output=True)
    said = finished(outputs, job, cluster)
    assert "SIGTERM: the last checkpoints are written" in said
    assert checkpoints(outputs)[-1] >= before
    assert signal.SIGTERM.name in said
    assert "2 runs: 2 finished" in sweep(outputs, *LONG, *ON_SLURM, environment=cluster)
    assert numbers(outputs, "long") == expected
