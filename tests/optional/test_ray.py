"""The engine for Ray on a local cluster: the bits of child processes, killed workers, interruption, the loopback.

    .venv/bin/python -m pytest -m optional tests/optional/test_ray.py

It needs the extra `ray`.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sim.disk import ledger
from tests.composed import ROOT
from tests.optional.sweeps import WORLD, numbers, sweep

pytestmark = pytest.mark.optional

WORKERS = ("hydra.launcher.workers=3",)
ON_RAY = (*WORKERS, "hydra.launcher.engine=ray")
SHORT = (*WORLD, "seed=1,2,3", "optimizer.learning_rate=0.01,0.05", "name=x")
LONG = (*WORLD, "seed=1,2,3", "pretrain.num_steps=40000", "name=x")
"""Some twenty seconds of pretraining on two cores."""

PATIENCE = 400.0  # [s]


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("ray")
    return tmp_path_factory.mktemp("ray")


@pytest.fixture(scope="module")
def expected(home: Path) -> dict[str, dict[str, str]]:
    sweep(home / "processes", *LONG, *WORKERS)
    return numbers(home / "processes", "x")


def test_ray_gives_the_bits_of_child_processes(home: Path) -> None:
    sweep(home / "short" / "processes", *SHORT, *WORKERS)
    said = sweep(home / "short" / "ray", *SHORT, *ON_RAY)
    assert said.startswith("6 runs: 6 finished")
    found = [numbers(home / "short" / place, "x") for place in ("processes", "ray")]
    assert len(found[0]) == 6
    assert found[0] == found[1]
    assert len(list((home / "short" / "ray").glob("x/multirun/*/worker-*.log"))) == 3, "each worker has a log"


# -- a sweep that is disturbed ----------------------------------------------------------------------------------------


def descendants(process: int) -> dict[int, str]:
    """All processes below a process, with their command lines."""
    parents, names = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            names[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    found, new = set[int](), {process}
    while new:
        new = {one for one, parent in parents.items() if parent in new | found} - found - new | set()
        found |= new
    return {one: names[one] for one in found}


def listening(processes: set[int]) -> set[str]:
    """The addresses, as the kernel writes them, at which some processes listen."""
    inodes = set()
    for process in processes:
        for link in Path(f"/proc/{process}/fd").glob("*"):
            try:
                inodes.add(os.readlink(link).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
    rows = [line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]]
    return {row[1].rpartition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}


def until(holds: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.1)


@contextmanager
def under_way(outputs: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The long sweep, when all of its workers have written checkpoints."""
    command = [sys.executable, "-m", "sim.run", "-m", *LONG, *ON_RAY, f"outputs={outputs}", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as driver:
        try:
            until(
                lambda: len({one.parent for one in outputs.glob("store/.work/*/checkpoint-*")}) == 3, "no checkpoints"
            )
            yield driver
        finally:
            driver.kill()


def named(driver: subprocess.Popen[str], word: str) -> list[int]:
    return [process for process, name in descendants(driver.pid).items() if word in name]


def test_a_killed_task_costs_its_own_runs_and_the_same_command_completes(home: Path, expected: Any) -> None:
    outputs = home / "killed"
    with under_way(outputs) as driver:
        tasks = named(driver, "ray::_attend")
        assert len(tasks) == 3
        os.kill(tasks[0], signal.SIGKILL)
        said, errors = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 1, said + errors
    assert "3 runs: 2 finished, 1 failed" in said
    assert "its task of Ray ended with WorkerCrashedError: " in said
    done = numbers(outputs, "x")
    assert len(done) == 2
    assert "3 runs: 1 finished, 2 kept" in sweep(outputs, *LONG, *ON_RAY)
    assert numbers(outputs, "x") == expected


def test_with_retries_another_task_goes_on(home: Path, expected: Any) -> None:
    outputs = home / "retried"
    with under_way(outputs, "hydra.launcher.retries=1") as driver:
        os.kill(named(driver, "ray::_attend")[0], signal.SIGKILL)
        os.kill(named(driver, "sim.running.worker")[-1], signal.SIGKILL)
        said, errors = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, said + errors
    assert "3 runs: 3 finished" in said
    assert numbers(outputs, "x") == expected


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_ended_driver_leaves_nothing_behind(number: int, status: int, home: Path, expected: Any) -> None:
    outputs = home / f"ended-{number}"
    with under_way(outputs) as driver:
        below = descendants(driver.pid)
        assert listening(set(below) | {driver.pid}) <= {
            "0100007F",  # 127.0.0.1
            "0000000000000000FFFF00000100007F",  # the same, as an address of IPv6
            "00000000000000000000000001000000",  # ::1
        }
        os.kill(driver.pid, number)
        driver.communicate(timeout=PATIENCE)
    assert driver.returncode == status
    until(lambda: not any(Path(f"/proc/{one}").exists() for one in below), "processes are left behind")
    states = [ledger.state(place) for place in (outputs / "x" / ".work").iterdir()]
    assert "running" not in {state.state for state in states if state is not None}
    if number != signal.SIGKILL:
        logs = "".join(log.read_text() for log in (outputs / "x").glob("multirun/*/worker-*.log"))
        assert "KeyboardInterrupt" in logs or "interrupted" in logs or "Terminated" in logs, "they were asked to end"
    assert "3 runs: 3 finished" in sweep(outputs, *LONG, *ON_RAY)
    assert numbers(outputs, "x") == expected


def test_an_address_where_nobody_answers_is_refused_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sim.run", "-m", *SHORT, *ON_RAY, f"outputs={tmp_path}",
               "+hydra.launcher.parameters.address=127.0.0.1:9"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "hydra.launcher.parameters.address: a cluster of Ray that answers is required, found '127.0.0.1:9' ("
    )
    assert not list(tmp_path.iterdir())
