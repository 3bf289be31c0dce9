"""The engine for SLURM, on submitit's executor for this machine: the same class, the same files."""

import errno
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from sim.numerics import SpecificationError
from sim.running.engines import Ending, engine, slurm
from sim.running.multirun import Launch, multirun
from sim.running.outcomes import Outcome
from tests.composed import ROOT, compose

WORLD = ("scale=smoke", "model=tabular_trie", "grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml",
         "restriction=everything", "pretrain.num_steps=4", "finetune.num_steps=4")  # fmt: skip
DEADLINE = 60.0  # [s], far beyond what any job here needs


def test_without_submitit_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(
        SpecificationError, match=r"^hydra.launcher.engine: submitit is required for slurm, found none; install "
    ):
        engine("slurm", 1, {})


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setattr(slurm, "CLUSTER", "local")


@pytest.mark.usefixtures("local")
def test_a_multirun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = [("seed=1",), ("seed=2",), ("seed=-1",)]
    points = [(one, lambda one=one: compose(*WORLD, *one, f"outputs={tmp_path}")) for one in words]
    options = Launch("slurm", 2, None, None, 60.0, {"timeout_min": 5})
    outcomes: list[Outcome] = multirun(points, tmp_path / "multirun", options)
    assert [one.state for one in outcomes] == ["finished", "finished", "failed"]
    assert len(list((tmp_path / "multirun").glob("worker-*.json"))) == 2
    assert len(list((tmp_path / "multirun" / "jobs").glob("*_0_log.out"))) == 2


@pytest.fixture
def asleep(local: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> slurm.Submitted:
    """A job that works for long."""
    monkeypatch.setattr(slurm, "main", lambda arguments: __import__("time").sleep(1000))
    return slurm.Engine().submit(tmp_path / "worker-0.json")


def until_it_works(submitted: slurm.Submitted) -> int:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        log = submitted.job.paths.stdout
        if log.exists() and "Loading pickle" in log.read_text(encoding="utf-8"):
            return int(submitted.job._process.pid)
        time.sleep(0.05)
    raise AssertionError("the job does not begin")


def test_a_job_that_is_killed(asleep: slurm.Submitted) -> None:
    process = until_it_works(asleep)
    assert asleep.ended() is None
    os.kill(process, signal.SIGKILL)
    end = time.monotonic() + DEADLINE
    while asleep.ended() is None and time.monotonic() < end:
        time.sleep(0.05)
    reason = f"its job {asleep.job.job_id} ended as INTERRUPTED; see {asleep.job.paths.stderr}"
    assert asleep.ended() == Ending(reason)


def test_a_job_that_is_cancelled(asleep: slurm.Submitted) -> None:
    process = until_it_works(asleep)
    asleep.cancel()
    with pytest.raises(OSError, match="No such process") as problem:
        os.kill(process, 0)
    assert problem.value.errno == errno.ESRCH


@pytest.mark.usefixtures("local")
def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(
        SpecificationError, match=r"^hydra.launcher: submitit refused these settings: .*timeout_minutes"
    ) as one:
        engine("slurm", 1, {"timeout_minutes": 3})
    assert "\n" not in str(one.value)


def test_where_there_is_no_slurm_it_is_refused() -> None:
    pytest.importorskip("submitit")
    with pytest.raises(SpecificationError, match=r"^hydra.launcher: submitit refused these settings: "):
        engine("slurm", 1, {})
