"""Laws of multiruns, with real processes and real signals: whatever is killed when, the same command again completes.

A small multirun is started again and again and killed at every stage of its life, the driver of it or its worker, a
drawn while after the stage is seen. In the end every record is there, intact, and equal to that of a multirun that
nobody disturbed.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sim import cli
from sim.disk import ledger
from sim.disk.files import MANIFEST, read_json
from sim.disk.records import Record, read
from tests.composed import ROOT

DEADLINE = 120.0  # [s], far beyond what any command here needs

LIVES = 2
"""Multiruns that are disturbed; together they survive every kill. The quick tests do the first of them."""

AS_TESTS = {"XLA_FLAGS": os.environ.get("XLA_FLAGS", "")}
"""For what is compared within `ACROSS` only, and so need not be compiled as users compile; see conftest.py."""

STEADY = {"JAX_COMPILATION_CACHE_DIR": str(Path(os.environ["JAX_COMPILATION_CACHE_DIR"]) / "multirun")}
"""Where commands that nobody disturbs keep their programs; what is killed may tear files, and has a copy of its own."""

WORLD = ("scale=smoke", "model=tabular_trie", "grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml",
         "restriction=everything")  # fmt: skip
LONG = (*WORLD, "pretrain.num_steps=1000", "finetune.num_steps=1000")
SWEEP = ("--multirun", *LONG, "seed=0,1,2", "optimizer.learning_rate=0.05,0.02", "hydra.launcher.max_runs=2",
         "hydra.launcher.checkpoint_seconds=0.02")  # fmt: skip
NUM_POINTS = 6

ACROSS = {"rtol": 1e-4, "atol": 1e-5}
"""How far log-probabilities and losses [nat] may lie apart between execution plans: float32 sums in another order, over
some tens of steps. Within one plan they are equal bit for bit, resumed or not."""


@dataclass
class Ended:
    status: int
    stdout: str
    stderr: str


@contextmanager
def started(outputs: Path, *words: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a session of its own, so that a signal reaches it alone; records go below `outputs`."""
    unlike_users = ("HYDRA_FULL_ERROR", "XLA_FLAGS")  # the tests compile without optimisation, see conftest.py
    environment = {name: value for name, value in os.environ.items() if name not in unlike_users}
    environment["JAX_COMPILATION_CACHE_DIR"] = str(outputs.parent / "cache")
    command = [sys.executable, "-m", "sim.run", *words, f"outputs={outputs}"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment | more, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[str]) -> Ended:
    stdout, stderr = process.communicate(timeout=DEADLINE)
    return Ended(process.returncode, stdout, stderr)


def run(outputs: Path, *words: str, **more: str) -> Ended:
    with started(outputs, *words, **more) as process:
        return end(process)


def completed(outputs: Path, *words: str, **more: str) -> dict[str, Record]:
    """The records of a command that succeeds."""
    done = run(outputs, *words, **more)
    assert done.status == 0, done.stdout + done.stderr
    return records(outputs)


def published(outputs: Path) -> list[Path]:
    return [file.parent for file in outputs.glob(f"scratch/[!.]*/{MANIFEST}")]


def records(outputs: Path) -> dict[str, Record]:
    """Every finished record; `read` verifies it."""
    return {folder.name: read(folder) for folder in published(outputs)}


def same(found: dict[str, Record], expected: dict[str, Record], rtol: float = 0.0, atol: float = 0.0) -> None:
    """The records found are those expected; bit for bit unless tolerances are given."""
    for name, record in found.items():
        assert list(record.phases) == list(expected[name].phases)
        for phase, recorded in record.phases.items():
            other = expected[name].phases[phase]
            np.testing.assert_array_equal(recorded.steps, other.steps)
            np.testing.assert_allclose(recorded.losses, other.losses, rtol, atol)
            assert set(recorded.arrays) == set(other.arrays) != set()
            for field, values in recorded.arrays.items():
                np.testing.assert_allclose(values, other.arrays[field], rtol, atol, err_msg=f"{name} {phase} {field}")


def until(condition: Callable[[], bool], pause: float = 0.002) -> bool:
    """Whether a condition comes true within the deadline."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(pause)
    return False


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("multirun")


@pytest.fixture(scope="module")
def reference(home: Path) -> dict[str, Record]:
    """The multirun that nobody disturbs; the others find its programs."""
    found = completed(home / "reference", *SWEEP, **STEADY)
    assert len(found) == NUM_POINTS
    shutil.copytree(STEADY["JAX_COMPILATION_CACHE_DIR"], home / "cache", dirs_exist_ok=True)
    return found


# -- workers and drivers that are killed ------------------------------------------------------------------------------


def worker_of(outputs: Path, driver: subprocess.Popen[str]) -> int | None:
    """The process that works for a driver now; None if it has not come so far."""
    for plan in outputs.glob("scratch/multirun/*/plan.json"):
        if (read_json(plan) or {}).get("pid") == driver.pid:
            logs = sorted(plan.parent.glob("worker-*.log"), key=lambda log: int(log.stem.split("-")[1]))
            found = re.match(r"process (\d+)\n", logs[-1].read_text(encoding="utf-8")) if logs else None
            return int(found[1]) if found else None
    return None


def alive(process: int) -> bool:
    """Whether a process runs. One that has ended, and that nobody waited for, does not once its last thread is gone."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    state = found.stdout.strip()
    return state != "" and (not state.startswith("Z") or "l" in state)


MOMENTS = {
    # what shows that a multirun has come to a certain point of its life: a new file of this pattern
    "the start": "",
    "a claim": "scratch/.work/*/lock",
    "a checkpoint of a pretraining": "store/.work/*/checkpoint-*",
    "a checkpoint of a fine-tuning": "scratch/.work/*/checkpoint-*",
    "a publication": f"scratch/[!.]*/{MANIFEST}",
}


def has_come(outputs: Path, moment: str, since: int) -> bool:
    """Whether it has come to a moment; what was there before `since` [ns] was left by one that was killed."""
    with suppress(FileNotFoundError):  # it goes as it came
        return moment == "the start" or any(file.stat().st_mtime_ns > since for file in outputs.glob(MOMENTS[moment]))
    return False


KILLS = [(moment, victim) for moment in MOMENTS for victim in ("driver", "worker")]


def disturb(outputs: Path, moment: str, victim: str, delay: float) -> bool:
    """Start the multirun and kill its driver or its worker a while after a moment; whether it was not over before."""
    since = time.time_ns()
    with started(outputs, *SWEEP) as driver:
        assert until(lambda: driver.poll() is not None or has_come(outputs, moment, since))
        if victim == "worker":
            assert until(lambda: driver.poll() is not None or worker_of(outputs, driver) is not None)
        time.sleep(delay)
        worker = worker_of(outputs, driver)
        if driver.poll() is not None:
            return False
        if victim == "driver":
            driver.kill()
            assert worker is None or until(lambda: not alive(worker)), "a worker outlives its driver"
            return True
        assert worker is not None
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        done = end(driver)
        assert "Traceback" not in done.stderr
        if done.status == 0:
            return False  # the worker had ended just before
        assert done.status == 1
        assert "its process was killed by SIGKILL; if memory ran out, lower hydra.launcher.max_runs" in done.stdout
        return True


@pytest.mark.parametrize("life", [0, *(pytest.param(life, marks=pytest.mark.slow) for life in range(1, LIVES))])
def test_whatever_is_killed_the_same_command_completes(life: int, home: Path, reference: dict[str, Record]) -> None:
    draw = random.Random(life)
    left = random.Random(0).sample(KILLS, len(KILLS))[life::LIVES]
    for turn in range(50):
        outputs = home / f"life-{life}-{turn}"  # a new multirun, whenever one is over
        while left:
            moment, victim = left[0]
            delay = draw.uniform(0.2, 2.0) if moment == "the start" else draw.uniform(0.0, 0.2)
            killed = disturb(outputs, moment, victim, delay)
            same(records(outputs), reference)
            if not killed:
                break
            del left[0]
        found = completed(outputs, *SWEEP)
        assert set(found) == set(reference)
        same(found, reference)
        assert {one.state for one in ledger.states(outputs / "scratch")} == {"done"}
        assert not (outputs / "scratch" / ".work").exists(), "nothing is left of the work"
        if not left:
            return
    raise AssertionError(f"it was over before anything could be killed, again and again; still to do: {left}")


def stopped_at_work(outputs: Path, worker: int) -> list[str]:
    """Stop a worker while it is at work on runs, and return them."""
    at_work: list[str] = []

    def looked() -> bool:
        os.kill(worker, signal.SIGSTOP)
        states = ledger.states(outputs / "scratch")
        at_work.extend(run.run for run in states if run.state == "running" and "step" in run.facts)
        if not at_work:
            os.kill(worker, signal.SIGCONT)
        return bool(at_work)

    assert until(looked, pause=0.01), "the worker is never at work"
    return at_work


def test_a_killed_worker_takes_its_batch_alone(home: Path, reference: dict[str, Record]) -> None:
    outputs = home / "one"
    with started(outputs, *SWEEP) as driver:
        assert until(lambda: len(published(outputs)) >= 2)
        worker = worker_of(outputs, driver)
        assert worker is not None
        at_work = stopped_at_work(outputs, worker)
        os.kill(worker, signal.SIGKILL)
        done = end(driver)
    failed = len(at_work)
    assert failed in (1, 2), "a batch, or what of it is not published yet"
    assert done.status == 1
    assert done.stdout.startswith(f"{NUM_POINTS} runs: {NUM_POINTS - failed} finished, {failed} failed\n")
    named = re.findall(r"\n  ([0-9a-f]{12}) \(seed=\d optimizer.* killed by SIGKILL; if memory", done.stdout)
    assert set(named) == set(at_work)
    states = [one for one in ledger.states(outputs / "scratch") if one.state != "done"]
    assert {one.run: one.state for one in states} == dict.fromkeys(at_work, "failed")
    assert all("killed by SIGKILL" in one.facts["reason"] for one in states)
    again = run(outputs, *SWEEP)
    assert again.stdout.startswith(f"{NUM_POINTS} runs: {failed} finished, {NUM_POINTS - failed} kept\n")
    same(records(outputs), reference)


# -- interruptions ----------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_workers_and_leaves_what_is_finished(home: Path, reference: dict[str, Record]) -> None:
    """First one that is at work, which listens, and then one that hangs. SIGTERM and SIGHUP do what Ctrl-C does."""
    outputs = home / "interrupted"
    for hung, sent, status in ((False, signal.SIGINT, 130), (True, signal.SIGTERM, 143)):
        with started(outputs, *SWEEP) as driver:
            assert until(lambda driver=driver: worker_of(outputs, driver) is not None)
            worker = worker_of(outputs, driver)
            assert worker is not None
            if hung:
                assert stopped_at_work(outputs, worker)
            else:
                assert until(lambda: len(published(outputs)) > 0)
            driver.send_signal(sent)
            done = end(driver)
        assert done.status == status
        assert done.stdout == ""
        assert done.stderr.splitlines()[-1] == (
            "interrupted; what is finished is kept, and the same command continues from there"
        )
        assert "Traceback" not in done.stderr
        assert not alive(worker)
        states = {one.state for one in ledger.states(outputs / "scratch")}
        assert "done" in states
        assert states <= {"done", "interrupted", "waiting"}
    found = completed(outputs, *SWEEP)
    assert set(found) == set(reference)
    same(found, reference)


# -- simultaneous starts ----------------------------------------------------------------------------------------------


def test_two_multiruns_at_once_end_in_one_result(home: Path, reference: dict[str, Record]) -> None:
    outputs = home / "twice"
    with started(outputs, *SWEEP) as one, started(outputs, *SWEEP) as other:
        ends = [end(one), end(other)]
    for done in ends:
        assert done.status in (0, cli.REFUSED), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        reasons = re.findall(r"^  [0-9a-f]{12} \(.*?\): (.*)$", done.stdout, re.MULTILINE)
        assert (len(reasons) > 0) == (done.status == cli.REFUSED)
        assert all(re.match(r"another process \(pid \d+ host .*\) is computing it; ", reason) for reason in reasons)
    found = records(outputs)
    assert set(found) == set(reference)
    same(found, reference)
    again = run(outputs, *SWEEP)
    assert again.stdout.startswith(f"{NUM_POINTS} runs: {NUM_POINTS} kept\n")


@pytest.mark.slow  # the quick tests let two multiruns meet; test_work.py, a single run and a claim of another process
def test_two_single_runs_at_once_end_in_one_result(home: Path) -> None:
    outputs = home / "single"
    words = (*LONG, "pretrain.num_steps=8000")
    with started(outputs, *words) as one, started(outputs, *words) as other:
        ends = sorted([end(one), end(other)], key=lambda done: done.status)
    assert ends[0].status == 0
    assert ": finished in " in ends[0].stdout or ": finished before" in ends[0].stdout
    assert sum(": finished in " in done.stdout for done in ends) == 1, "it was done once"
    if ends[1].status != 0:
        assert ends[1].status == cli.REFUSED
        assert re.match(r".*: process \d+ on .* is computing this run now; ", ends[1].stderr.splitlines()[-1])
    assert len(records(outputs)) == 1
    assert not (outputs / "scratch" / ".work").exists()


# -- the same numbers, in few programs --------------------------------------------------------------------------------

MIXED = ("--multirun", *WORLD, "model=tabular_trie,tabular_strings", "seed=0,1")


@pytest.fixture(scope="module")
def one_by_one(home: Path) -> dict[str, Record]:
    found = completed(home / "basic", *MIXED, "hydra/launcher=basic", **STEADY, **AS_TESTS)
    assert len(found) == 4
    return found


WAYS = {
    "processes": ("hydra.launcher.workers=2",),
}
SLOW_WAYS = {
    "inline": ("hydra.launcher.engine=inline", "hydra.launcher.mapping=vmap"),
    "small batches": ("hydra.launcher.max_runs=1", "hydra.launcher.mapping=loop"),
}
"""The quick tests do a claim inline (test_claim_laws.py), and compare batches and mappings (test_work.py)."""


@pytest.mark.parametrize("way", [*WAYS, *(pytest.param(way, marks=pytest.mark.slow) for way in SLOW_WAYS)])
def test_the_launcher_gives_the_numbers_of_hydras_own(way: str, home: Path, one_by_one: dict[str, Record]) -> None:
    found = completed(home / way.replace(" ", "_"), *MIXED, *(WAYS | SLOW_WAYS)[way], **STEADY, **AS_TESTS)
    assert set(found) == set(one_by_one)
    same(found, one_by_one, **ACROSS)


def test_a_torn_compilation_cache_costs_time_and_nothing_else(home: Path, one_by_one: dict[str, Record]) -> None:
    """As a process leaves it that is killed while it writes: jax has no lock and no checksum there."""
    cached = list(Path(STEADY["JAX_COMPILATION_CACHE_DIR"]).glob("*-cache"))
    assert cached
    torn = home / "torn" / "cache"
    torn.mkdir(parents=True)
    for number, file in enumerate(cached):
        (torn / file.name).write_bytes(file.read_bytes()[: number % 3 * file.stat().st_size // 3])
    same(completed(home / "torn" / "outputs", *WORLD, "seed=0", **AS_TESTS), one_by_one, **ACROSS)
