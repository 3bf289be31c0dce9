"""Laws of multiruns, with real processes and real signals: whatever is killed when, the same command again completes.

A small multirun is started again and again and killed at random moments, drawn from a seeded generator: the driver or
a worker of it. In the end every record must be there, intact, and equal to that of a multirun that nobody disturbed.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sim import ledger
from sim.files import MANIFEST
from sim.records import Record, read
from tests.composed import ROOT

DEADLINE = 120.0  # [s], far beyond what any command here needs

LIVES, KILLS = 4, 5
"""Multiruns that are disturbed, and signals that each of them has to survive."""

WORLD = ("scale=smoke", "model=tabular_trie", "grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml",
         "restriction=everything", "pretrain.num_steps=5000", "finetune.num_steps=5000")  # fmt: skip
SWEEP = (*WORLD, "seed=0,1,2", "optimizer.learning_rate=0.05,0.02", "hydra.launcher.max_batch=2",
         "hydra.launcher.checkpoint_seconds=0.05")  # fmt: skip
NUM_POINTS = 6

RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""How far log-probabilities and losses [nat] of two executions may lie apart: float32 sums in another order, over some
hundred steps. Within one execution plan they are equal bit for bit, which is not promised across plans."""


@dataclass
class Ended:
    status: int
    stdout: str
    stderr: str


@contextmanager
def started(outputs: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a session of its own, so that a signal reaches it alone; records go below `outputs`."""
    environment = {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"}
    environment["JAX_COMPILATION_CACHE_DIR"] = str(outputs.parent / "cache")  # one for all tests of this module
    command = [sys.executable, "-m", "sim.run", *words, f"outputs={outputs}"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[str]) -> Ended:
    stdout, stderr = process.communicate(timeout=DEADLINE)
    return Ended(process.returncode, stdout, stderr)


def run(outputs: Path, *words: str) -> Ended:
    with started(outputs, *words) as process:
        return end(process)


def records(outputs: Path) -> dict[str, Record]:
    """Every finished record; `read` verifies it."""
    return {file.parent.name: read(file.parent) for file in (outputs / "scratch").glob(f"[!.]*/{MANIFEST}")}


def same(one: Record, other: Record) -> None:
    assert one.config["seed"] == other.config["seed"]
    assert list(one.phases) == list(other.phases)
    for phase, recorded in one.phases.items():
        expected = other.phases[phase]
        np.testing.assert_array_equal(recorded.steps, expected.steps)
        np.testing.assert_allclose(recorded.losses, expected.losses, RELATIVE, ABSOLUTE)
        assert set(recorded.arrays) == set(expected.arrays)
        for name, values in recorded.arrays.items():
            if not np.array_equal(values, expected.arrays[name]): print("DIFF", phase, name, np.nanmax(np.abs(np.where(np.isfinite(values), values - expected.arrays[name], 0))))
            np.testing.assert_allclose(values, expected.arrays[name], RELATIVE, ABSOLUTE, err_msg=f"{phase} {name}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("multirun")


@pytest.fixture(scope="module")
def reference(home: Path) -> dict[str, Record]:
    """The multirun that nobody disturbs."""
    done = run(home / "reference", "--multirun", *SWEEP)
    assert done.status == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{NUM_POINTS} points: {NUM_POINTS} finished\n")
    found = records(home / "reference")
    assert len(found) == NUM_POINTS
    return found


# -- workers and drivers that are killed ------------------------------------------------------------------------------


def worker_of(outputs: Path, driver: int) -> int | None:
    """The process that works for a driver now."""
    for plan in (outputs / "scratch" / "multirun").glob("*/plan.json"):
        if f'"pid": {driver},' in plan.read_text(encoding="utf-8"):
            logs = sorted(plan.parent.glob("worker-*.log"), key=lambda log: int(log.stem.split("-")[1]))
            said = logs[-1].read_text(encoding="utf-8") if logs else ""
            found = re.match(r"process (\d+)\n", said)
            return int(found[1]) if found else None
    return None


def alive(process: int) -> bool:
    """Whether a process runs. One that has ended and that nobody has waited for does not, unless it has threads left."""
    try:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError:
        return False
    return not state.stdout.strip().startswith("Z") or "l" in state.stdout


def gone(process: int) -> bool:
    """Whether a process ends within the deadline."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        if not alive(process):
            return True
        time.sleep(0.02)
    return False


MOMENTS = {
    # signs that a multirun has come to a certain point of its life
    "start": lambda home, before: True,
    "claim": lambda home, before: any(file.is_file() for file in home.glob("scratch/.work/*/lock")),
    "pretraining": lambda home, before: any(home.glob("store/.work/*/checkpoint-*")),
    "fine-tuning": lambda home, before: any(home.glob("scratch/.work/*/checkpoint-*")),
    "publication": lambda home, before: published(home) > before,
}


def published(outputs: Path) -> int:
    return len(list(outputs.glob(f"scratch/[!.]*/{MANIFEST}")))


def disturb(outputs: Path, draw: random.Random) -> str | None:
    """Start the multirun and kill its driver or its worker once, at a random moment; None if it was over before."""
    moment, victim = draw.choice(list(MOMENTS)), draw.choice(("driver", "worker"))
    delay = draw.uniform(0.2, 2.0) if moment == "start" else draw.uniform(0.0, 0.2)
    before = published(outputs)
    with started(outputs, "--multirun", *SWEEP) as driver:
        while driver.poll() is None and not MOMENTS[moment](outputs, before):
            time.sleep(0.002)
        time.sleep(delay)
        worker = worker_of(outputs, driver.pid)
        if driver.poll() is not None:
            return None
        if victim == "driver" or worker is None:
            driver.kill()
            assert worker is None or gone(worker), "a worker outlives its driver"
            return f"driver after {moment}"
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        done = end(driver)
        assert "Traceback" not in done.stderr
        if done.status == 0:
            return None  # it had ended just before
        assert done.status == 1
        assert "its process was killed by SIGKILL; if memory ran out, lower hydra.launcher.max_batch" in done.stdout
        return f"worker after {moment}"


@pytest.mark.parametrize("life", range(LIVES))
def test_whatever_is_killed_the_same_command_completes(
    life: int, home: Path, reference: dict[str, Record]
) -> None:
    draw = random.Random(life)
    killed: list[str] = []
    for turn in range(100):
        outputs = home / f"life-{life}-{turn}"  # a new multirun, whenever one has finished
        while len(killed) < KILLS:
            victim = disturb(outputs, draw)
            for name, record in records(outputs).items():
                same(record, reference[name])
            if victim is None:
                break
            killed.append(victim)
            print(victim, {one.run: (one.state, one.facts.get("phase"), one.facts.get("step")) for one in ledger.states(outputs / "scratch")})
        done = run(outputs, "--multirun", *SWEEP)
        assert done.status == 0, done.stdout + done.stderr
        found = records(outputs)
        assert set(found) == set(reference)
        for name, record in found.items():
            same(record, reference[name])
        assert {one.state for one in ledger.states(outputs / "scratch")} == {"done"}
        assert not (outputs / "scratch" / ".work").exists(), "nothing is left of the work"
        if len(killed) == KILLS:
            return
    raise AssertionError("a multirun was over before anything could be killed, again and again")
