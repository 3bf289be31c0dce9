"""Driving a multirun, with engines that do what they are told: who is to blame, what is tried again, what is kept."""

import errno
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sim.disk import files, ledger
from sim.numerics import SpecificationError
from sim.running import asked, driving, multirun
from sim.running.engines import Ending
from sim.running.multirun import Launch
from sim.running.outcomes import Outcome
from sim.show import counting

OPTIONS = Launch("processes", 1, None, None, 60.0)

Script = Callable[[list[Path]], str]
"""What a worker does with its targets on the disk; returns why it did not come to its end, "" if it did."""


class Worker:
    def __init__(self, engine: "Engine", script: Script, targets: list[Path]) -> None:
        self.engine, self.script, self.targets = engine, script, targets
        self.asked = 0
        self.handle: dict[str, Any] | None = None

    def ended(self) -> Ending | None:
        self.asked += 1
        return None if self.asked < 2 else Ending(self.script(self.targets))

    def cancel(self) -> None:
        self.engine.cancelled.append(self.targets)


class Engine:
    """Workers that follow a script each, the last one again and again."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.submitted: list[list[str]] = []
        self.cancelled: list[list[Path]] = []

    def submit(self, task: Path) -> Worker:
        points = json.loads(task.read_text(encoding="utf-8"))["runs"]
        self.submitted.append([point["run"] for point in points])
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        return Worker(self, script, [Path(point["outputs"]) / point["run"] for point in points])


def finish(targets: Sequence[Path]) -> str:
    for target in targets:
        files.publish(target, {"record": b""})
        ledger.clear(target)
    return ""


def run(target: Path) -> None:
    ledger.note(target, "running", stage="finetune", step=3)


@pytest.fixture(autouse=True)
def simple(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configurations that say which run they are, records without content, and no time between two looks."""

    def settings(config: dict[str, Any]) -> dict[str, Any]:
        if "run" not in config:
            raise SpecificationError("run: a name is required")
        return config

    monkeypatch.setattr(multirun, "settings", settings)
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


@pytest.fixture
def do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Outcome]]:
    def done(engine: Engine, runs: str, options: Launch = OPTIONS) -> list[Outcome]:
        monkeypatch.setattr(multirun, "engine", lambda name, workers, parameters: engine)
        points = [
            ((f"run={name}",), lambda name=name: {"outputs": str(tmp_path / "name"), "run": name}) for name in runs
        ]
        return multirun.multirun(points, tmp_path / "name" / "multirun" / "now", options)

    return done


Do = Callable[..., list[Outcome]]


def told(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return [(one.state, one.reason) for one in outcomes]


def state(tmp_path: Path, name: str) -> str | None:
    found = ledger.state(tmp_path / "name" / name)
    return None if found is None else found.state


def test_the_number_of_runs_is_said_before_the_first_is_checked(
    do: Do, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(counting, "MANY", 2)
    said, plain, verified = [], multirun.settings, files.verified
    monkeypatch.setattr(multirun, "settings", lambda config: said.append(capsys.readouterr().err) or plain(config))
    monkeypatch.setattr(asked, "check", lambda place: said.append(capsys.readouterr().err) or verified(place))
    do(Engine(finish), "abc")
    capsys.readouterr()
    said.clear()
    assert told(do(Engine(finish), "abc")) == [("kept", "")] * 3
    assert said[0] == "3 runs are asked for; 0 are checked\n"
    assert said[3] == "3 of these runs are finished; 0 are verified\n"


def test_all_points_finish(do: Do, tmp_path: Path) -> None:
    def script(targets: list[Path]) -> str:
        assert [state(tmp_path, target.name) for target in targets] == ["waiting"] * 3
        found = ledger.state(targets[1])
        assert found is not None
        assert found.facts["overrides"] == ["run=b"]
        return finish(targets)

    engine = Engine(script)
    outcomes = do(engine, "abc")
    assert told(outcomes) == [("finished", "")] * 3
    assert [one.target for one in outcomes] == [tmp_path / "name" / name for name in "abc"]
    assert [one.overrides for one in outcomes] == [("run=a",), ("run=b",), ("run=c",)]
    assert engine.submitted == [["a", "b", "c"]]


def test_what_was_at_work_is_blamed_and_what_waited_goes_on(do: Do, tmp_path: Path) -> None:
    def killed(targets: list[Path]) -> str:
        finish(targets[:1])
        run(targets[1])
        return "its process was killed by SIGKILL"

    engine = Engine(killed, finish)
    outcomes = do(engine, "abcd")
    assert told(outcomes) == [
        ("finished", ""),
        ("failed", "its process was killed by SIGKILL"),
        *[("finished", "")] * 2,
    ]
    assert engine.submitted == [["a", "b", "c", "d"], ["c", "d"]]
    failed = ledger.state(tmp_path / "name" / "b")
    assert failed is not None
    assert failed.state == "failed"
    assert failed.facts["reason"] == "its process was killed by SIGKILL"
    assert (failed.facts["step"], failed.facts["overrides"]) == (3, ["run=b"])
    assert not outcomes[1].mistake


def test_worker_after_worker_may_be_killed(do: Do) -> None:
    def killed(targets: list[Path]) -> str:
        run(targets[0])
        return "killed"

    engine = Engine(killed)
    assert told(do(engine, "abc")) == [("failed", "killed")] * 3
    assert [len(points) for points in engine.submitted] == [3, 2, 1]


@pytest.mark.parametrize("reason", ["its process ended with exit status 1: ImportError: x", ""])
def test_a_worker_that_does_nothing_is_not_tried_again(reason: str, do: Do, tmp_path: Path) -> None:
    engine = Engine(lambda targets: reason)
    outcomes = do(engine, "ab")
    undone = f"its worker never started it; see the logs in {tmp_path / 'name' / 'multirun' / 'now'}"
    assert told(outcomes) == [("failed", reason or undone)] * 2
    assert len(engine.submitted) == 1
    assert [state(tmp_path, name) for name in "ab"] == ["failed", "failed"]


def test_what_a_worker_left_undone_is_done_by_another(do: Do) -> None:
    engine = Engine(lambda targets: finish(targets[:1]))
    assert told(do(engine, "abc")) == [("finished", "")] * 3
    assert [len(points) for points in engine.submitted] == [3, 2, 1]


@pytest.mark.parametrize("mistake", [True, False])
def test_what_a_worker_has_noted_is_passed_on(mistake: bool, do: Do) -> None:
    def script(targets: list[Path]) -> str:
        ledger.note(targets[0], "failed", reason="sft: diverged", mistake=mistake)
        return finish(targets[1:])

    outcomes = do(Engine(script), "ab")
    assert told(outcomes) == [("failed", "sft: diverged"), ("finished", "")]
    assert outcomes[0].mistake is mistake


def test_a_failed_point_is_tried_again_by_the_next_multirun(do: Do) -> None:
    def script(targets: list[Path]) -> str:
        ledger.note(targets[0], "failed", reason="no")
        return finish(targets[1:])

    assert [one.state for one in do(Engine(script), "ab")] == ["failed", "finished"]
    engine = Engine(finish)
    assert [one.state for one in do(engine, "ab")] == ["finished", "kept"]
    assert engine.submitted == [["a"]]


def test_what_is_finished_is_kept_and_nothing_is_started(do: Do, tmp_path: Path) -> None:
    finish([tmp_path / "name" / name for name in "ab"])
    run(tmp_path / "name" / "a")  # who published it was killed before clearing up
    engine = Engine(finish)
    assert [one.state for one in do(engine, "ab")] == ["kept", "kept"]
    assert engine.submitted == []
    assert not ledger.work(tmp_path / "name" / "a").exists()


def test_a_damaged_record_is_said(do: Do, tmp_path: Path) -> None:
    finish([tmp_path / "name" / "a"])
    (tmp_path / "name" / "a" / "record").write_bytes(b"flipped")
    (outcome,) = do(Engine(finish), "a")
    assert (outcome.state, outcome.mistake) == ("failed", True)
    assert "found it damaged; delete" in outcome.reason


def test_a_bad_point_costs_itself_and_equal_points_are_done_once(
    do: Do, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(finish)
    monkeypatch.setattr(multirun, "engine", lambda name, workers, parameters: engine)
    configs: list[dict[str, Any]] = [{"run": "a"}, {}, {"run": "b"}, {"run": "a"}]
    points = [
        ((str(number),), lambda config=config: {"outputs": str(tmp_path), **config})
        for number, config in enumerate(configs)
    ]
    outcomes = multirun.multirun(points, tmp_path / "multirun", OPTIONS)
    expected = [("finished", ""), ("failed", "run: a name is required"), ("finished", ""), ("repeated", "")]
    assert told(outcomes) == expected
    assert engine.submitted == [["a", "b"]]
    assert [one.overrides for one in outcomes] == [("0",), ("1",), ("2",), ("3",)]
    assert outcomes[1].target is None
    assert outcomes[1].mistake


# -- other processes --------------------------------------------------------------------------------------------------


def test_what_another_process_is_at_is_refused(do: Do, tmp_path: Path) -> None:
    theirs = tmp_path / "name" / "a"
    lock = ledger.claim(theirs)
    assert lock is not None
    with lock:
        ledger.note(theirs, "running", stage="pretrain")
        outcomes = do(Engine(lambda targets: finish(targets[1:])), "ab")
        found = ledger.state(theirs)
        assert found is not None
        assert found.facts["stage"] == "pretrain", "its note is left alone"
    assert [one.state for one in outcomes] == ["refused", "finished"]
    assert outcomes[0].mistake
    assert f"another process (pid {os.getpid()} host " in outcomes[0].reason


def test_what_another_process_has_finished_in_the_end_is_kept(do: Do, tmp_path: Path) -> None:
    theirs = tmp_path / "name" / "a"
    lock = ledger.claim(theirs)
    assert lock is not None

    def second(targets: list[Path]) -> str:
        files.publish(theirs, {"record": b""})
        return finish(targets)

    with lock:
        outcomes = do(Engine(lambda targets: finish(targets[1:2]), second), "abc")
    assert [one.state for one in outcomes] == ["kept", "finished", "finished"]


def test_what_another_process_gave_up_is_taken_over(do: Do, tmp_path: Path) -> None:
    def first(targets: list[Path]) -> str:
        run(targets[0])  # as another process left it, which was killed
        return finish(targets[1:])

    engine = Engine(first, finish)
    assert [one.state for one in do(engine, "ab")] == ["finished", "finished"]
    assert engine.submitted == [["a", "b"], ["a"]]


# -- interruptions and full disks -------------------------------------------------------------------------------------


def test_ctrl_c_ends_all_workers(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(multirun.Board):
        def update(self) -> None:
            if engine.submitted:
                raise KeyboardInterrupt

    monkeypatch.setattr(multirun, "Board", Interrupted)
    engine = Engine(finish)
    with pytest.raises(KeyboardInterrupt):
        do(engine, "abc", Launch("processes", 3, None, None, 60.0))
    assert [[target.name for target in targets] for targets in engine.cancelled] == [["a"], ["b"], ["c"]]


def test_a_full_disk_is_said_before_anything_is_started(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write_bytes", full)
    engine = Engine(finish)
    with pytest.raises(SpecificationError, match=r"^outputs: .* \(no space left on device\); ") as refusal:
        do(engine, "ab")
    assert "\n" not in str(refusal.value)
    assert engine.submitted == []


def test_a_disk_that_fills_up_meanwhile_costs_no_reason(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(targets: list[Path]) -> str:
        run(targets[0])
        monkeypatch.setattr(ledger, "note", full)
        return "killed"

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert told(do(Engine(killed), "a")) == [("failed", "killed")]


# -- what is written --------------------------------------------------------------------------------------------------


def test_the_plan(do: Do, tmp_path: Path) -> None:
    finish([tmp_path / "name" / "c"])
    do(Engine(finish), "abcd", Launch("processes", 2, 5, "vmap", 1.0))
    do(Engine(finish), "e")
    home = tmp_path / "name" / "multirun" / "now"
    written = ["plan-1.json", "plan.json", "worker-0.json", "worker-1.json", "worker-2.json"]
    assert sorted(file.name for file in home.iterdir()) == written, "a second batch of points overwrites nothing"
    content = files.read_json(home / "plan.json")
    assert content["runs"] == ["a", "b", "c", "d"]
    assert content["kept"] == ["c"]
    assert content["workers"] == [["a", "d"], ["b"]]
    assert content["asked"][1] == {"overrides": ["run=b"], "run": str(tmp_path / "name" / "b")}
    assert content["launch"]["max_runs"] == 5
    assert content["pid"] == os.getpid()
    task = files.read_json(home / "worker-0.json")
    assert task["execution"] == {"max_runs": 5, "mapping": "vmap", "checkpoint_seconds": 1.0, "laws": "host"}
    assert [point["run"] for point in task["runs"]] == ["a", "d"]


def test_nothing_to_do(tmp_path: Path) -> None:
    assert multirun.multirun([], tmp_path, OPTIONS) == []
