"""The worker: does the runs of a task, says so in its log, and does not outlive its driver."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import sim.running.work
from sim.numerics import SpecificationError
from sim.pool import cores
from sim.running import environment, worker
from sim.running.build import settings
from sim.running.outcomes import Outcome
from tests.composed import ROOT, compose
from tests.unit.faults import start

DEADLINE = 60.0  # [s], far beyond what any child needs
RUN = settings(compose())


@pytest.fixture
def task(tmp_path: Path) -> Path:
    file = tmp_path / "worker-0.json"
    content = {"runs": [RUN | {"outputs": str(tmp_path)}], "execution": {"max_runs": 3}}
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_a_task_is_performed_and_logged(
    task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def perform(points: Any, execution: sim.running.cohort.Execution) -> list[Outcome]:
        asked.append((points, execution))
        refused = SpecificationError("model: too wide")
        return [Outcome(tmp_path / "a", "finished"), Outcome(tmp_path / "b", "failed", str(refused), error=refused)]

    monkeypatch.setattr(sim.running.work, "perform", perform)
    worker.work(task)
    assert asked == [([RUN | {"outputs": str(tmp_path)}], sim.running.cohort.Execution(max_runs=3))]
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{tmp_path / 'a'}: finished", f"{tmp_path / 'b'}: failed (model: too wide)"]


def test_a_worker_prepares_its_environment(
    task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[Any] = []
    monkeypatch.setattr(worker, "prepare", lambda *arguments: called.append(arguments))
    monkeypatch.setattr(worker, "work", lambda *arguments: called.append(arguments))
    worker.main([str(task), "--beside=4"])
    assert called == [(str(tmp_path), 4), (task,)]
    assert capsys.readouterr().out == f"process {os.getpid()}\n", "so that a person can find it"


SILENT = """
import sys, time
from pathlib import Path
from sim.disk.ledger import note
from sim.running.worker import end_if_silent
target = Path(sys.argv[1])
end_if_silent([target, target.with_name("b")], 0.6)
for step in range(int(sys.argv[2])):
    note(target, "running", step=step)
    time.sleep(0.1)
print("so far", flush=True)
time.sleep(1000)
"""


def test_a_job_without_news_ends_itself_and_names_the_limit(tmp_path: Path) -> None:
    child = start(SILENT, tmp_path / "a", 15)
    out, errors = child.communicate(timeout=DEADLINE)
    assert child.returncode == worker.SILENT
    assert out == "so far\n", "as long as there was news it went on, longer than the limit"
    assert errors.splitlines()[-1] == "no news for 0.6 s, the limit hydra.launcher.timeout_seconds"
    assert 'File "<string>", line 12 in <module>' in errors, "where it was"


# -- the lifeline -----------------------------------------------------------------------------------------------------


@contextmanager
def child(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert started.stdin is not None
    assert started.stdout is not None
    try:
        yield started
    finally:
        started.kill()
        started.wait()
        started.stdin.close()
        started.stdout.close()


BUSY = {
    "asleep": "import time; time.sleep(1000)",
    "in a loop": "while True: pass",
    "deaf": "import signal, time\nfor s in (2, 15): signal.signal(s, signal.SIG_IGN)\ntime.sleep(1000)",
}


@pytest.mark.parametrize("busy", BUSY.values(), ids=BUSY)
def test_a_worker_ends_with_its_driver_whatever_it_does(busy: str) -> None:
    code = f"import sys\nfrom sim.running.worker import hold_on_to\nhold_on_to(0)\nprint('ready', flush=True)\n{busy}"
    with child("-c", code) as started:
        assert started.stdout is not None
        assert started.stdin is not None
        assert started.stdout.readline() == b"ready\n"
        started.stdin.write(b"x" * 5000)  # only the end of the file counts
        started.stdin.flush()
        time.sleep(0.1)
        assert started.poll() is None
        started.stdin.close()
        assert started.wait(DEADLINE) == worker.DRIVER_DIED


def test_a_worker_without_a_lifeline_goes_on(task: Path) -> None:
    code = f"import sim.running.worker as w; w.work = lambda task: print('worked'); w.main([{str(task)!r}])"
    with child("-c", code) as started:
        assert started.stdin is not None
        assert started.stdout is not None
        started.stdin.close()
        assert started.wait(DEADLINE) == 0
        assert started.stdout.read().splitlines()[-1] == b"worked"


def test_nothing_slow_is_imported_before_the_lifeline_holds() -> None:
    code = (
        "import sys, sim.running.worker; print(sorted({'jax', 'flax', 'optax', 'hydra', 'polars'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


# -- the environment --------------------------------------------------------------------------------------------------

NAMES = ("JAX_NUM_CPU_DEVICES", "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
         "XLA_PYTHON_CLIENT_MEM_FRACTION", "XLA_FLAGS")  # fmt: skip


def prepared(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **given: str) -> dict[str, str]:
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", dict(given))
        patch.delitem(sys.modules, "jax", raising=False)  # as in a new process; the settings of this one stay
        environment.prepare(*arguments)
        return {name: value for name, value in os.environ.items() if name in NAMES}


def test_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "cores", lambda: 6)
    monkeypatch.chdir(tmp_path)
    alone = prepared(monkeypatch, "outputs")
    assert alone["JAX_NUM_CPU_DEVICES"] == "6"
    assert alone["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "outputs" / ".cache" / "xla")
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in alone
    assert "--xla_cpu_collective_call_terminate_timeout_seconds=1000000" in alone["XLA_FLAGS"].split()
    assert prepared(monkeypatch, "outputs", XLA_FLAGS="--xla_a=1")["XLA_FLAGS"].startswith("--xla_a=1 --xla_cpu")
    beside = prepared(monkeypatch, "outputs", 4)
    assert (beside["JAX_NUM_CPU_DEVICES"], beside["XLA_PYTHON_CLIENT_MEM_FRACTION"]) == ("1", "0.225")
    assert prepared(monkeypatch, "outputs", 10)["JAX_NUM_CPU_DEVICES"] == "1"


def test_what_the_environment_says_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {**dict.fromkeys(NAMES, "mine"), "XLA_FLAGS": "--xla_cpu_collective_call_terminate_timeout_seconds=3"}
    assert prepared(monkeypatch, "outputs", 2, **given) == given


@pytest.mark.parametrize("execution", [3, {"max_rums": 3}])
def test_a_bad_execution_is_refused(execution: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = tmp_path / "task.json"
    task.write_text(json.dumps({"runs": [RUN], "execution": execution}), encoding="utf-8")
    assert worker.main([str(task)]) == worker.REFUSED
    assert capsys.readouterr().err.startswith(f"{task}: a task file of a multirun is required, found ")


def test_cores_are_counted() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "{",
        "[]",
        "{}",
        "[" * 100_000,
        '{"runs": []}',
        '{"runs": ["a"], "execution": {}}',
        '{"runs": [{}]}',
        '{"runs": 3}',
        b"\xff",
    ],
)
def test_a_bad_task_file_is_refused_in_one_line(
    content: str | bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = tmp_path / "task.json"
    if content is not None:
        task.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert worker.main([str(task)]) == worker.REFUSED
    said = capsys.readouterr().err
    assert said.startswith(f"{task}: a task file of a multirun is required, found ")
    assert said.count("\n") == 1
