"""Jobs that outlive their driver: detached, found again, awaited, cancelled; and runs that are given to another worker.

The engine is a stand-in with a queue in memory. Its jobs are found by their handles only, as by another process.
"""

import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sim import cancel, status
from sim.disk import files, ledger
from sim.disk.processes import identity
from sim.numerics import SpecificationError
from sim.running import asked, driving, engines, jobs, multirun
from sim.running.engines import Ending, check_options
from sim.running.multirun import Launch
from sim.running.outcomes import Outcome
from sim.streams import Terminated, uninterrupted
from tests.unit.faults import start

DETACHED = Launch("queue", 2, None, None, 60.0, detach=True)
ATTENDED = Launch("queue", 2, None, None, 60.0)


class Queue:
    """Jobs by number: the names of their runs, their state, and how they ended."""

    def __init__(self) -> None:
        self.tasks: dict[str, list[Path]] = {}
        self.states: dict[str, str] = {}
        self.endings: dict[str, str] = {}
        self.cancelled: list[str] = []

    def run(self, number: str, script: Callable[[list[Path]], str]) -> None:
        """Let a job run to its end."""
        self.endings[number] = script(self.tasks[number])
        self.states[number] = "ended"


class Attached:
    def __init__(self, queue: Queue, number: str) -> None:
        self.queue, self.number = queue, number
        self.handle: Mapping[str, Any] = {"job": number}

    def state(self) -> str:
        return self.queue.states[self.number]

    def ended(self) -> Ending | None:
        return Ending(self.queue.endings[self.number]) if self.state() == "ended" else None

    def cancel(self) -> None:
        self.queue.cancelled.append(self.number)
        self.queue.states[self.number] = "ended"


class Engine:
    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def submit(self, task: Path) -> Attached:
        runs = json.loads(task.read_text(encoding="utf-8"))["runs"]
        number = str(len(self.queue.tasks) + 17)
        self.queue.tasks[number] = [Path(run["outputs"]) / run["run"] for run in runs]
        self.queue.states[number] = "waiting"
        return Attached(self.queue, number)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    found = Queue()
    module = SimpleNamespace(
        Engine=lambda workers, **_: Engine(found), attached=lambda handle: Attached(found, handle["job"])
    )
    ours = engines.member

    def member(kind: str, name: str, place: str) -> Any:
        return SimpleNamespace(load=lambda: module) if name == "queue" else ours(kind, name, place)

    monkeypatch.setattr(engines, "member", member)
    monkeypatch.setattr(multirun, "settings", lambda config: config)
    monkeypatch.setattr(multirun, "target_of", lambda config: Path(config["outputs"]) / config["run"])
    monkeypatch.setattr(
        multirun,
        "shares",
        lambda points, workers: [[*range(n, len(points), workers)] for n in range(min(workers, len(points)))],
    )
    monkeypatch.setattr(asked, "check", files.verified)
    monkeypatch.setattr(asked, "invalidity", lambda record: None)
    monkeypatch.setattr(asked, "edited_since", lambda record: [])
    monkeypatch.setattr(driving, "POLL", 0.0)
    return found


def finish(targets: Sequence[Path]) -> str:
    for target in targets:
        files.publish(target, {"record": b""})
        ledger.clear(target)
    return ""


Do = Callable[..., list[str]]


@pytest.fixture
def do(queue: Queue, tmp_path: Path) -> Do:
    """Give the command for some runs; returns the states of their outcomes."""
    times: Iterator[int] = iter(range(100))

    def done(runs: str, launch: Launch) -> list[str]:
        points = [((f"run={name}",), lambda name=name: {"outputs": str(tmp_path / "x"), "run": name}) for name in runs]
        outcomes: list[Outcome] = multirun.multirun(points, tmp_path / "x" / "multirun" / f"t{next(times)}", launch)
        return [one.state for one in outcomes]

    return done


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say what happens while a driver waits, one thing at each of its looks."""

    def chosen(*events: Callable[[], Any]) -> None:
        left, idle = list(events), iter(range(1000))

        def update() -> None:
            left.pop(0)() if left else next(idle)  # StopIteration instead of waiting for ever

        monkeypatch.setattr(multirun, "Board", lambda targets: nullcontext(SimpleNamespace(update=update)))

    return chosen


def names(queue: Queue) -> dict[str, str]:
    return {number: "".join(target.name for target in targets) for number, targets in queue.tasks.items()}


# -- detached ---------------------------------------------------------------------------------------------------------


def test_detached_it_submits_says_the_numbers_and_ends(
    do: Do, queue: Queue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finish([tmp_path / "x" / "c"])
    assert do("abc", DETACHED) == ["submitted", "submitted", "kept"]
    home = tmp_path / "x"
    assert capsys.readouterr().out == (
        f"jobs 17, 18 go on without this command; watch: python -m sim.status {home}; "
        f"cancel: python -m sim.cancel {home}\n"
    )
    assert names(queue) == {"17": "a", "18": "b"}
    assert queue.cancelled == []


def test_what_is_in_the_queue_is_not_submitted_again(do: Do, queue: Queue) -> None:
    do("ab", DETACHED)
    queue.states["18"] = "running"
    assert do("abc", DETACHED) == ["submitted"] * 3
    assert names(queue) == {"17": "a", "18": "b", "19": "c"}
    queue.run("17", lambda targets: "its job was cancelled")
    queue.run("18", finish)
    assert do("abc", DETACHED) == ["submitted", "kept", "submitted"]
    assert names(queue) == {"17": "a", "18": "b", "19": "c", "20": "a"}, "the run of a job that ended is free again"


def test_a_job_whose_fate_nobody_knows_keeps_its_runs(do: Do, queue: Queue) -> None:
    do("ab", DETACHED)
    queue.states["17"] = "unknown"
    do("ab", DETACHED)
    assert len(queue.tasks) == 2


def test_the_same_command_waits_for_the_jobs_and_does_what_they_left(
    do: Do, queue: Queue, meanwhile: Callable[..., None]
) -> None:
    do("abcd", DETACHED)
    assert names(queue) == {"17": "ac", "18": "bd"}
    meanwhile(
        lambda: None,
        lambda: queue.run("17", finish),
        lambda: queue.run("18", lambda targets: finish(targets[:1])),
        lambda: queue.run("19", finish),
    )
    assert do("abcd", ATTENDED) == ["finished"] * 4
    assert names(queue)["19"] == "d"


@pytest.mark.parametrize("lost", [KeyboardInterrupt, Terminated(signal.SIGHUP), OSError("the terminal is lost")])
def test_a_lost_driver_cancels_nothing(
    lost: Any, do: Do, queue: Queue, meanwhile: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def lose() -> None:
        raise lost

    meanwhile(lose)
    with pytest.raises(BaseException) as raised:  # noqa: PT011
        do("ab", ATTENDED)
    assert raised.type is (lost if isinstance(lost, type) else type(lost))
    assert queue.cancelled == []
    assert "jobs 17, 18 go on without this command; watch: " in capsys.readouterr().err
    meanwhile(lambda: queue.run("17", finish), lambda: queue.run("18", finish))
    assert do("ab", ATTENDED) == ["finished", "finished"]
    assert len(queue.tasks) == 2


def test_a_signal_between_submitting_and_writing_down_waits(
    do: Do, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Engine.submit

    def submit(engine: Engine, task: Path) -> Attached:
        found = plain(engine, task)
        os.kill(os.getpid(), signal.SIGINT)
        return found

    monkeypatch.setattr(Engine, "submit", submit)
    with pytest.raises(KeyboardInterrupt):
        do("ab", ATTENDED)
    assert [job.number for job in jobs.jobs(tmp_path / "x" / "multirun")] == ["17"]


def test_uninterrupted_restores_the_handlers() -> None:
    before = signal.getsignal(signal.SIGINT)
    with uninterrupted():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_two_commands_at_once_submit_one_after_the_other(do: Do, tmp_path: Path, queue: Queue) -> None:
    with jobs.submitting(tmp_path / "x" / "multirun", "queue"):
        from sim.disk.locks import acquire

        assert acquire(tmp_path / "x" / "multirun" / ".submitting") is None
    with jobs.submitting(tmp_path / "x" / "multirun", "processes"):
        assert not (tmp_path / "x" / "multirun" / ".submitting").exists(), "only jobs need it"


def test_a_file_that_is_not_ours_is_no_job(tmp_path: Path, queue: Queue) -> None:
    (tmp_path / "t").mkdir()
    for number, text in enumerate(["", "[]", "{}", '{"engine": "queue", "handle": {}}']):
        (tmp_path / "t" / f"job-{number}.json").write_text(text)
    assert jobs.jobs(tmp_path) == []


# -- tries ------------------------------------------------------------------------------------------------------------


def killed(targets: Sequence[Path]) -> str:
    ledger.note(targets[0], "running", stage="finetune", step=3)
    return "its job was killed"


@pytest.mark.parametrize(("retries", "states"), [(0, ["failed", "finished"]), (1, ["finished"] * 2)])
def test_retries(retries: int, states: list[str], do: Do, queue: Queue, meanwhile: Callable[..., None]) -> None:
    meanwhile(lambda: queue.run("17", killed), lambda: queue.run("18", finish))
    assert do("ab", Launch("queue", 1, None, None, 60.0, retries=retries)) == states
    assert names(queue)["18"] == ("ab" if retries else "b")


def test_a_worker_that_never_starts_is_tried_so_often(do: Do, queue: Queue, meanwhile: Callable[..., None]) -> None:
    meanwhile(*(lambda number=number: queue.run(str(number), lambda _: "no module") for number in range(17, 20)))
    assert do("ab", Launch("queue", 1, None, None, 60.0, retries=2)) == ["failed", "failed"]
    assert len(queue.tasks) == 3


def test_what_is_the_fault_of_the_run_is_never_tried_again(
    do: Do, queue: Queue, meanwhile: Callable[..., None]
) -> None:
    def diverged(targets: Sequence[Path]) -> str:
        ledger.note(targets[0], "failed", reason="sft: diverged", mistake=True)
        return finish(targets[1:])

    meanwhile(lambda: queue.run("17", diverged))
    assert do("ab", Launch("queue", 1, None, None, 60.0, retries=5)) == ["failed", "finished"]
    assert len(queue.tasks) == 1


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (("processes", True, None, 0), "hydra.launcher.detach: false is required with engine=processes, found true, "),
        (("inline", True, None, 0), "hydra.launcher.detach: false is required with engine=inline, found true, "),
        (("slurm", True, None, 2), "hydra.launcher.retries: 0 is required with detach=true, found 2, "),
        (("inline", False, 5.0, 0), "hydra.launcher.timeout_seconds: null is required with engine=inline, found 5, "),
    ],
)
def test_options_that_an_engine_cannot_meet(options: Any, refusal: str) -> None:
    with pytest.raises(SpecificationError) as found:
        check_options(*options)
    assert str(found.value).startswith(refusal)
    assert "\n" not in str(found.value)
    for allowed in (("slurm", True, 5.0, 0), ("processes", False, 5.0, 3), ("inline", False, None, 1)):
        check_options(*allowed)


# -- limits -----------------------------------------------------------------------------------------------------------


class Child:
    """A worker that ends with its driver and gives no news."""

    handle = None

    def __init__(self) -> None:
        self.cancelled = 0

    def ended(self) -> Ending | None:
        return None

    def cancel(self) -> None:
        self.cancelled += 1


def test_a_silent_worker_is_ended_and_the_limit_named(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[Child] = []

    def submit(task: Path) -> Child:
        ledger.note(tmp_path / "x" / "a", "running", step=1)
        children.append(Child())
        return children[-1]

    monkeypatch.setattr(multirun, "engine", lambda *_: SimpleNamespace(submit=submit))
    launch = Launch("processes", 1, None, None, 60.0, timeout_seconds=0.2, retries=1)
    point = (), lambda: {"outputs": str(tmp_path / "x"), "run": "a"}
    (outcome,) = multirun.multirun([point], tmp_path / "x" / "multirun" / "t", launch)
    assert outcome.state == "failed"
    assert outcome.reason == "no news for 0.2 s, the limit hydra.launcher.timeout_seconds"
    assert [child.cancelled for child in children] == [1, 1]
    assert "limit" not in files.read_json(tmp_path / "x" / "multirun" / "t" / "worker-0.json")


def test_a_worker_with_news_is_left_alone(queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, looks = tmp_path / "x" / "a", iter(range(10))

    class Busy(Child):
        def ended(self) -> Ending | None:
            step = next(looks)
            ledger.note(target, "running", step=step)
            return Ending(finish([target])) if step == 9 else None

    monkeypatch.setattr(multirun, "engine", lambda *_: SimpleNamespace(submit=lambda task: Busy()))
    clock = iter(range(10**6))
    monkeypatch.setattr(driving, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: None))
    launch = Launch("processes", 1, None, None, 60.0, timeout_seconds=5.0)
    (outcome,) = multirun.multirun(
        [((), lambda: {"outputs": str(tmp_path / "x"), "run": "a"})], tmp_path / "x" / "multirun" / "t", launch
    )
    assert outcome.state == "finished"


def test_a_job_sees_to_its_limit_itself(do: Do, queue: Queue, tmp_path: Path) -> None:
    do("a", Launch("queue", 1, None, None, 60.0, detach=True, timeout_seconds=5.0))
    task = files.read_json(tmp_path / "x" / "multirun" / "t0" / "worker-0.json")
    assert task["limit"] == {"seconds": 5.0, "targets": [str(tmp_path / "x" / "a")]}


# -- for people -------------------------------------------------------------------------------------------------------


def test_status_without_a_driver(do: Do, queue: Queue, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    do("ab", DETACHED)
    plan = tmp_path / "x" / "multirun" / "t0" / "plan.json"
    files.write_json(plan, {**files.read_json(plan), "started": "1"})  # the driver has ended
    queue.states["18"] = "running"
    capsys.readouterr()
    assert status.main([str(tmp_path / "x")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "x: 2 waiting of 2, 0 %"
    assert said[-1] == "  job 17 waits in the queue, job 18 is running"
    (overview,) = status.overviews(tmp_path / "x")
    assert overview.unfinished
    assert overview.plain()["jobs"] == [{"job": "17", "state": "waiting"}, {"job": "18", "state": "running"}]
    assert cancel.main([str(tmp_path / "x")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "job 17 has been cancelled",
        "job 18 has been cancelled",
        f"what is finished is kept; see python -m sim.status {tmp_path / 'x'}",
    ]
    assert sorted(queue.cancelled) == ["17", "18"]
    assert status.main([str(tmp_path / "x"), "--watch"]) == 0, "it waits for nobody"
    assert status.main([str(tmp_path / "x")]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "  no process and no job has the waiting runs: give the same command again"


def test_the_time_in_the_queue_is_no_time_at_work(do: Do, queue: Queue, tmp_path: Path) -> None:
    do("ab", DETACHED)
    home = tmp_path / "x" / "multirun" / "t0"
    os.utime(home / "plan.json", (1000.0, 1000.0))
    (home / "worker-0.began").touch()
    os.utime(home / "worker-0.began", (5000.0, 5000.0))
    lock = ledger.claim(tmp_path / "x" / "a")
    assert lock is not None
    with lock:
        (overview,) = status.overviews(tmp_path / "x")
    assert overview.session is not None
    assert overview.session.since == 5000.0


def test_a_job_that_does_not_end_is_said(do: Do, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    do("a", DETACHED)
    capsys.readouterr()
    monkeypatch.setattr(Attached, "cancel", lambda job: None)
    assert cancel.main([str(tmp_path / "x")]) == 1
    assert capsys.readouterr().out.startswith("job 17 was cancelled, but is still waiting; look at it again later\n")


@pytest.mark.parametrize(
    ("name", "found"), [("x", "none; see python -m sim.status {}"), ("y", "no such folder; correct the path")]
)
def test_nothing_to_cancel(name: str, found: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").mkdir()
    assert cancel.main([str(tmp_path / name)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"{tmp_path / name}: a multirun under way (a driver on this machine, or jobs) is required, "
        f"found {found.format(tmp_path / name)}\n"
    )


def test_the_driver_of_another_user_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(pid: int, number: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    said = identity(os.getppid())
    (tmp_path / "x" / "multirun" / "t").mkdir(parents=True)
    (tmp_path / "x" / "multirun" / "t" / "plan.json").write_text(json.dumps(said))
    monkeypatch.setattr(os, "kill", kill)
    assert cancel.main([str(tmp_path / "x")]) == 1
    line = f"process {os.getppid()}, the driver, belongs to another user and goes on; ask this user to end it\n"
    assert capsys.readouterr().out.startswith(line)


@pytest.mark.parametrize("certain", [True, False])
def test_a_driver_is_ended_only_if_it_is_certainly_that(
    certain: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = start("import sys; sys.stdin.read()")
    said = {**identity(driver.pid), **({} if certain else {"started": "1"})}
    (tmp_path / "x" / "multirun" / "t").mkdir(parents=True)
    (tmp_path / "x" / "multirun" / "t" / "plan.json").write_text(json.dumps(said))
    assert cancel.main([str(tmp_path / "x")]) == (0 if certain else 2)
    assert (f"process {driver.pid}, the driver, has ended\n" in capsys.readouterr().out) == certain
    assert (driver.poll() is not None) == certain
    driver.kill()
    driver.communicate()
    assert sys.exc_info() == (None, None, None)
