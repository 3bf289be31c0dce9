"""The engine for SLURM, on submitit's executor for this machine: the same class, the same files."""

import json
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim import cancel
from sim.disk.processes import fate, identity
from sim.numerics import SpecificationError
from sim.running.engines import Ending, engine, slurm
from sim.running.multirun import Launch, multirun
from sim.running.outcomes import Outcome
from sim.status import overviews
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
def local() -> None:
    """submitit runs jobs of this machine, with `cluster=local`."""
    pytest.importorskip("submitit")


@pytest.mark.usefixtures("local")
def test_a_multirun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = [("seed=1",), ("seed=2",), ("seed=-1",)]
    points = [(one, lambda one=one: compose(*WORLD, *one, f"outputs={tmp_path}")) for one in words]
    options = Launch("slurm", 2, None, None, 60.0, {"timeout_min": 5, "cluster": "local"})
    outcomes: list[Outcome] = multirun(points, tmp_path / "multirun", options)
    assert [one.state for one in outcomes] == ["finished", "finished", "failed"]
    assert len(list((tmp_path / "multirun").glob("worker-*.json"))) == 2
    assert len(list((tmp_path / "multirun" / "jobs").glob("*_0_log.out"))) == 2


@pytest.fixture
def asleep(local: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> slurm.Submitted:
    """A job that works for long."""
    monkeypatch.setattr(slurm, "work", lambda task: __import__("time").sleep(1000))
    return slurm.Engine(cluster="local").submit(tmp_path / "worker-0.json")


def until_it_works(submitted: slurm.Submitted) -> int:
    """The process of a job, once it works."""
    end, log = time.monotonic() + DEADLINE, submitted.folder / f"{submitted.job}_0_log.out"
    while time.monotonic() < end:
        if log.exists() and "Loading pickle" in log.read_text(encoding="utf-8"):
            return int(submitted.job)
        time.sleep(0.05)
    raise AssertionError("the job does not begin")


def test_a_job_that_is_killed(asleep: slurm.Submitted) -> None:
    process = until_it_works(asleep)
    assert asleep.ended() is None
    found = slurm.attached(json.loads(json.dumps(asleep.handle)))
    assert found.state() == "running"
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    for one in (process, *map(int, children)):
        os.kill(one, signal.SIGKILL)
    end = time.monotonic() + DEADLINE
    while asleep.ended() is None and time.monotonic() < end:
        time.sleep(0.05)
    for job in (asleep, found):
        ending = job.ended()
        assert ending is not None
        assert ending.reason.startswith(f"its job {asleep.job} ended without a result: ")


def test_a_job_that_is_cancelled_by_another_process(asleep: slurm.Submitted, monkeypatch: pytest.MonkeyPatch) -> None:
    process = until_it_works(asleep)
    monkeypatch.setattr(slurm, "PATIENCE", dict.fromkeys(slurm.PATIENCE, 2.0))
    slurm.attached(asleep.handle).cancel()
    assert fate(identity(process)) == "dead"
    assert asleep.state() == "ended"


@pytest.mark.usefixtures("local")
def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(
        SpecificationError, match=r"^hydra.launcher: submitit refused these settings: .*timeout_minutes"
    ) as one:
        engine("slurm", 1, {"timeout_minutes": 3, "cluster": "local"})
    assert "\n" not in str(one.value)


def test_where_there_is_no_slurm_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SpecificationError, match=r"^hydra.launcher: submitit refused these settings: "):
        engine("slurm", 1, {})


# -- jobs of SLURM, with commands that stand in for its own: submitit is not needed to find a job ----------------------


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give the answers of the commands of SLURM; None for one that fails. They write what they are asked to `asked`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(slurm, "_last", [])
    monkeypatch.setattr(slurm, "ASKED", 0.0)

    def answer(**said: str | None) -> None:
        for name, text in said.items():
            script = f"echo {name} $@ >> {tmp_path}/asked\n" + ("exit 1" if text is None else f"echo '{text}'")
            (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (folder / name).chmod(0o755)

    return answer


def a_job(tmp_path: Path) -> slurm.Submitted:
    handle = slurm.Submitted("17", "slurm", tmp_path).handle
    return slurm.attached(json.loads(json.dumps(handle)))


@pytest.mark.parametrize(
    ("listed", "state"),
    [
        ("17 PENDING", "waiting"),
        ("17 CONFIGURING", "waiting"),
        ("16 RUNNING\n17 RUNNING", "running"),
        ("17 COMPLETING", "running"),
        ("170 RUNNING", "ended"),
        ("", "ended"),
        (None, "unknown"),
    ],
)
def test_where_a_job_is(listed: str | None, state: str, tmp_path: Path, commands: Callable[..., None]) -> None:
    commands(squeue=listed, scontrol=None, sacct=None)
    job = a_job(tmp_path)
    assert job.state() == state
    if state != "ended":
        assert job.ended() is None


def test_a_job_with_a_result_has_ended_whatever_the_scheduler_says(
    tmp_path: Path, commands: Callable[..., None]
) -> None:
    commands(squeue="17 COMPLETING")
    for result, reason in (
        (("success", 0), ""),
        (("error", "Traceback\nValueError: x\n"), f"without a result: ValueError: x; see {tmp_path}/17_0_log.err"),
    ):
        (tmp_path / "17_0_result.pkl").write_bytes(pickle.dumps(result))
        assert a_job(tmp_path).state() == "ended"
        ending = a_job(tmp_path).ended()
        assert ending is not None
        assert ending.reason.endswith(reason)
        assert bool(ending.reason) == bool(reason)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"scontrol": "JobId=17 JobState=FAILED Reason=None", "sacct": None}, " as FAILED"),
        ({"scontrol": None, "sacct": "OUT_OF_MEMORY"}, " as OUT_OF_MEMORY"),
        ({"scontrol": None, "sacct": None}, ""),
    ],
)
def test_how_a_job_without_a_result_ended(
    known: dict[str, str | None], said: str, tmp_path: Path, commands: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    commands(squeue="", **known)
    job, log = a_job(tmp_path), tmp_path / "17_0_log.err"
    log.write_text("one\nno news for 5 s\n")
    assert job.ended() is None, "its result may still appear on a network file system"
    monkeypatch.setattr(slurm, "LATE", 0.0)
    more = "lower hydra.launcher.max_runs, or see" if "MEMORY" in said else "see"
    assert job.ended() == Ending(f"its job 17 ended{said} without a result: no news for 5 s; {more} {log}")


def test_a_job_of_slurm_is_cancelled_by_its_number(tmp_path: Path, commands: Callable[..., None]) -> None:
    commands(squeue="", scancel="")
    a_job(tmp_path).cancel()
    assert (tmp_path / "asked").read_text().splitlines()[0] == "scancel 17"


def test_many_jobs_ask_once(tmp_path: Path, commands: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    commands(squeue="17 RUNNING")
    jobs = [a_job(tmp_path) for _ in range(5)]
    monkeypatch.setattr(slurm, "ASKED", 60.0)
    assert {job.state() for job in jobs} == {"running"}
    assert len((tmp_path / "asked").read_text().splitlines()) == 1
    assert a_job(tmp_path).state() == "running", "a job that is newer than the answer asks again"
    assert len((tmp_path / "asked").read_text().splitlines()) == 2


def test_a_cluster_that_does_not_exist_is_refused() -> None:
    with pytest.raises(
        SpecificationError,
        match=r"^hydra.launcher.parameters.cluster: one of slurm, local is required, found 'lokal'$",
    ):
        slurm.check(1, {"cluster": "lokal"})


@pytest.mark.parametrize(
    ("said", "requeued"),
    [
        ("JobState=RUNNING Reason=None PreemptTime=2026-11-29T15:05:18 ", True),
        ("JobState=RUNNING Reason=None PreemptTime=None ", False),
        ("JobState=CANCELLED Reason=None PreemptTime=2026-11-29T15:05:18 ", False),
        ("JobState=COMPLETING Reason=None PreemptTime=2026-11-29T15:05:18 ", False),
        (None, False),
    ],
)
def test_a_job_that_is_asked_to_end_goes_back_to_the_queue_if_it_is_preempted(
    said: str | None, requeued: bool, tmp_path: Path, commands: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands(scontrol=said)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert ended_by(signal.SIGTERM, monkeypatch) == 143
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["scontrol show job 17"] + ["scontrol requeue 17"] * requeued


def test_outside_a_job_nothing_is_requeued(
    tmp_path: Path, commands: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands(scontrol="JobState=RUNNING PreemptTime=2")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert ended_by(signal.SIGTERM, monkeypatch) == 143
    assert not (tmp_path / "asked").exists()


def test_at_the_time_limit_submitit_decides(commands: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    before = signal.signal(slurm.LIMIT, lambda number, frame: heard.append(number))
    try:
        assert ended_by(slurm.LIMIT, monkeypatch) == 128 + slurm.LIMIT
    finally:
        signal.signal(slurm.LIMIT, before)
    assert heard == [slurm.LIMIT]


def ended_by(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit status of a job that a signal ends while it works, after the worker has seen to its checkpoints."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, slurm.LIMIT)}
    heard: list[str] = []

    def main(arguments: list[str]) -> int:
        try:
            os.kill(os.getpid(), number)
            time.sleep(DEADLINE)
        except KeyboardInterrupt as interruption:
            heard.append(str(interruption))
            raise
        return 0

    monkeypatch.setattr(slurm, "main", main)
    try:
        with pytest.raises(SystemExit) as ended:
            slurm.work("task.json")
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert heard == [number.name]
    return ended.value.code


@pytest.mark.usefixtures("local")
def test_a_job_at_its_limit_is_submitted_again_as_it_was(tmp_path: Path) -> None:
    again = slurm.work.checkpoint("task.json")
    assert (again.function, again.args, again.kwargs) == (slurm.work, ("task.json",), {})
    made = slurm.Engine(cluster="local", slurm_max_num_timeout=7, timeout_min=5)
    assert (made.parameters, made.fixed) == ({"timeout_min": 5}, {"slurm_max_num_timeout": 7})


# -- from beginning to end --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("local")
def test_detached_cancelled_and_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    long = ("pretrain.num_steps=1000000", "hydra.launcher.checkpoint_seconds=0.1")
    folder, name = tmp_path / "scratch" / "multirun", tmp_path / "scratch"

    def command(*words: str, **more: Any) -> list[str]:
        overrides = [one for one in (*WORLD, *words) if not one.startswith("hydra")]
        points = [((f"seed={seed}",), lambda seed=seed: compose(*overrides, f"seed={seed}", f"outputs={tmp_path}"))
                  for seed in (1, 2)]  # fmt: skip
        options = Launch("slurm", 2, None, None, 0.1, {"timeout_min": 5, "cluster": "local"}, **more)
        return [one.state for one in multirun(points, folder / str(len(words)), options)]

    assert command(*long, detach=True) == ["submitted", "submitted"]
    (begun,) = folder.glob("*/job-0.json")
    end = time.monotonic() + DEADLINE
    while not any(run.state == "running" and run.facts.get("step") for run in overviews(name)[0].runs):
        assert time.monotonic() < end, begun.read_text()
        time.sleep(0.2)
    assert command(*long, detach=True) == ["submitted", "submitted"]
    assert len(list(folder.glob("*/job-*.json"))) == 2, "nothing is submitted again"
    assert len(overviews(name)[0].jobs) == 2
    assert cancel.main([str(name)]) == 0
    assert overviews(name)[0].jobs == ()
    assert "running" not in {run.state for run in overviews(name)[0].runs}
    assert cancel.main([str(name)]) == 2
    assert command() == ["finished", "finished"]
