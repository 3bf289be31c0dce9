"""The status of folders: records, notes and locks as they lie on the disk, held by processes that live and die."""

import dataclasses
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sim import status
from sim.disk.ledger import clear, note
from sim.disk.records import write
from sim.show.overview import Session
from sim.status import main, overviews, session
from tests.unit.faults import ROOT, hear, kill, start
from tests.unit.recorded_worlds import recorded, twins
from tests.unit.terminals import on_terminal, shown

HOLD = """
import sys
from pathlib import Path
from sim.disk.ledger import claim, note
target = Path(sys.argv[1])
lock = claim(target)
note(target, "running", stage="finetune", step=50, num_steps=100, fraction=0.75, since=float(sys.argv[2]), overrides=["seed=4"])
print("held", flush=True)
sys.stdin.read()
"""  # noqa: E501


@contextmanager
def computing(target: Path, since: float) -> Iterator[subprocess.Popen[str]]:
    """A process that computes a run; it is killed at the end."""
    child = start(HOLD, target, since)
    try:
        assert hear(child) == "held"
        yield child
    finally:
        kill(child)


def done(target: Path) -> None:
    write(dataclasses.replace(recorded(*twins(1)), hash=target.name), target)


def filled(folder: Path) -> None:
    """A finished, a failed and a waiting run, and things that are no runs."""
    done(folder / "aaa")
    note(folder / "bbb", "failed", reason="the loss is nan at step 3", overrides=["seed=1"])
    note(folder / "ccc", "waiting", overrides=["seed=2"])
    (folder / "reports" / "aaa").mkdir(parents=True)
    (folder / "rows.csv").write_text("")


def planned(folder: Path, name: str, **content: Any) -> None:
    """A plan that was written at `since`, by the clock of the file system."""
    place = folder / "multirun" / name
    place.mkdir(parents=True)
    (place / "plan.json").write_text(json.dumps(content))
    os.utime(place / "plan.json", (content.get("since", 0.0),) * 2)


def test_what_lies_on_the_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "toy"
    filled(folder)
    with computing(folder / "ddd", time.time() - 300.0):
        assert main([str(folder)]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        first, *others = said.out.splitlines()
        assert re.fullmatch(
            r"toy: 1 done, 1 running, 1 failed, 1 waiting of 4, 58 %, about (100 s|99 s|2 min) left", first
        )
        assert others == [
            "  running ddd: fine-tuning  50/100  75 %  seed=4",
            "  failed bbb: the loss is nan at step 3 (seed=1)",
            "  waiting ccc: seed=2",
            "  done aaa",
        ]
    assert main([str(folder)]) == 0, "its process is dead"
    assert capsys.readouterr().out.splitlines()[:3] == [
        "toy: 1 done, 1 failed, 1 interrupted, 1 waiting of 4, 58 %",
        "  failed bbb: the loss is nan at step 3 (seed=1)",
        "  interrupted ddd: fine-tuning  50/100  75 %  seed=4",
    ]


def test_a_copy_is_misplaced_and_not_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "toy"
    filled(folder)
    shutil.copytree(folder / "aaa", folder / "copy")
    assert main([str(folder)]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first == "toy: 1 done, 1 failed, 1 misplaced, 1 waiting of 4, 50 %"
    assert f"  misplaced copy: it is the record of run aaa; python -m sim.verify {folder} says what to do" in others
    (folder / "copy" / "run.json").write_text("{")
    (folder / "aaa" / "run.json").unlink()
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out.startswith("toy: 2 done, "), "whether they are intact is not looked at"


def test_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(tmp_path / "toy")
    with computing(tmp_path / "toy" / "ddd", 1.0) as child:
        assert main([str(tmp_path / "toy"), "--json"]) == 0
        (found,) = json.loads(capsys.readouterr().out)
        runs = {run["run"]: run for run in found["runs"]}
        assert runs["ddd"]["facts"]["holder"]["pid"] == child.pid
    assert found["counts"] == {"done": 1, "running": 1, "failed": 1, "interrupted": 0, "misplaced": 0, "waiting": 1}
    assert {name: run["state"] for name, run in runs.items()} == {
        "aaa": "done", "bbb": "failed", "ccc": "waiting", "ddd": "running"
    }  # fmt: skip
    assert runs["bbb"]["facts"]["reason"] == "the loss is nan at step 3"


def test_every_name_below_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("toy", "other", "store", ".cache"):
        filled(tmp_path / name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path)]) == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert heads == [f"{name}: 1 done, 1 failed, 1 waiting of 3, 50 %" for name in ("other", "toy")]


@pytest.mark.parametrize("name", ["toy", "toy/", "toy/../toy", "."])
def test_the_name_of_a_folder_is_shown_however_it_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path / "toy")
    monkeypatch.chdir(tmp_path / "toy" if name == "." else tmp_path)
    assert [one.title for one in overviews(Path(name))] == ["toy"]


@pytest.mark.parametrize(
    ("name", "found"), [("missing", "no such folder"), ("empty", "none in it"), ("file", "a file")]
)
@pytest.mark.parametrize("flags", [[], ["--json"], ["--watch"], ["--watch", "--json"]])
def test_a_folder_without_runs_is_refused(
    name: str, found: str, flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty" / "reports").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path / name), *flags]) == 2
    said = capsys.readouterr()
    line = f"{tmp_path / name}: a folder with runs (outputs/<name>) is required, found {found}"
    assert said.err == f"{line}; correct the path, or start a run first\n"
    assert said.out == ""


# -- the session ------------------------------------------------------------------------------------------------------


def test_the_session_is_the_newest_plan(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    filled(folder)
    planned(folder, "2026-01-01_10-00-00", since=500.0, points=["ddd"], kept=[])
    planned(folder, "2025-12-31_10-00-00", since=100.0, points=["ddd"], kept=[])
    planned(folder, "2026-01-02_10-00-00")
    with computing(folder / "ddd", 900.0):
        (overview,) = overviews(folder)
        assert overview.session == Session(500.0, frozenset(["ddd"]), frozenset())
        planned(folder, "2026-01-01_11-00-00", since=600.0, points=["aaa", "ccc", "ddd"], kept=["aaa"], more=1)
        (overview,) = overviews(folder)
        assert overview.session == Session(600.0, frozenset(["aaa", "ccc", "ddd"]), frozenset(["aaa"]))
        assert overview.seconds_left == pytest.approx((overview.at - 600.0) / 0.75 * 1.25)
    (overview,) = overviews(folder)
    assert overview.session is None, "nobody works on it"


def test_no_session_where_another_run_is_running_or_the_driver_is_dead(tmp_path: Path) -> None:
    with computing(tmp_path / "toy" / "ddd", 900.0) as child:
        runs = list(overviews(tmp_path / "toy")[0].runs)
        facts: dict[str, Any] = {"since": 500.0, "runs": ["ddd"], "kept": []}
        here = socket.gethostname()
        for number, (more, alive) in enumerate(
            [
                ({"runs": ["eee"]}, False),
                ({"pid": child.pid, "host": here}, True),
                ({"pid": os.getppid(), "host": here}, True),
                ({"pid": 2**22 + 1, "host": here}, False),
                ({"pid": 2**22 + 1, "host": f"not-{here}"}, True),
                ({"pid": 2**100, "host": here}, False),
                ({"pid": "no", "host": here}, True),
            ]
        ):
            folder = tmp_path / str(number)
            planned(folder, "2026", **(facts | more))
            assert (session(folder, runs)[0] is not None) == alive, more


# -- watching ---------------------------------------------------------------------------------------------------------


def test_watching_says_what_changes_and_ends_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "SAID", 0.01)
    folder, other = tmp_path / "toy", tmp_path / "other"
    filled(folder)
    done(other / "eee")
    ready = threading.Event()

    def finish() -> None:
        ready.wait(10)
        done(folder / "ccc")
        clear(folder / "ccc")

    working = threading.Thread(target=finish)
    working.start()
    monkeypatch.setattr(time, "sleep", lambda seconds, plain=time.sleep: (ready.set(), plain(seconds)))
    assert main([str(tmp_path), "--watch"]) == 0
    working.join()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "other: 1 done of 1, 100 %"
    assert said[1] == "toy: 1 done, 1 failed, 1 waiting of 3, 50 %"
    assert said[-1] == "toy: 2 done, 1 failed of 3, 100 %"
    assert len(said) == len(set(said)), "a line for each change"


def test_watching_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done(tmp_path / "toy" / "aaa")
    assert main([str(tmp_path / "toy"), "--watch", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)[0]["fraction"] == 1.0


def test_an_interruption_is_how_watching_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    filled(tmp_path / "toy")
    monkeypatch.setattr(time, "sleep", interrupted)
    assert main([str(tmp_path / "toy"), "--watch"]) == 0
    assert capsys.readouterr().out == "toy: 1 done, 1 failed, 1 waiting of 3, 50 %\n"


def test_in_a_terminal(tmp_path: Path) -> None:
    """One picture, or with --watch one that is drawn until nothing is under way."""
    for name in ("toy", "other"):
        filled(tmp_path / name)
    picture = shown(on_terminal("-m", "sim.status", tmp_path))
    expected = [
        "1 done  1 failed  1 waiting  of 3",
        "failed   bbb  the loss is nan at step 3 (seed=1)",
        "waiting  ccc  seed=2",
        "done     aaa",
    ]
    assert [re.sub("[━╸╺ ]+", " ", line) for line in picture[::5]] == ["other 50 %", "toy 50 %"]
    assert picture[1:5] == picture[6:] == expected
    for name in ("toy", "other"):
        clear(tmp_path / name / "ccc")
    watched = shown(on_terminal("-m", "sim.status", tmp_path, "--watch"))
    assert watched[-3:] == [
        "1 done  1 failed  of 2",
        "failed  bbb  the loss is nan at step 3 (seed=1)",
        "done    aaa",
    ]


def test_starting_is_quick() -> None:
    """Nothing slow is loaded: neither jax nor tables."""
    command = [sys.executable, "-X", "importtime", "-m", "sim.status", "--help"]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, child.stderr
    assert "outputs/<name>" in child.stdout
    assert not re.findall(r"\| +(jax|flax|optax|hydra|matplotlib|polars)$", child.stderr, re.MULTILINE)
    assert re.findall(r"\| +(rich)$", child.stderr, re.MULTILINE)
