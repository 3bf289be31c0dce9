"""An ensemble over the devices of two processes: the bits of one process with as many devices, and its protocol."""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.disk.files import read_json
from sim.running import together
from sim.running.build import settings
from sim.running.together import Place, place
from sim.training import hosts
from sim.training.ensemble import Ensemble
from sim.training.job import State
from tests.composed import ROOT, compose

# -- places -----------------------------------------------------------------------------------------------------------


def test_a_place_is_read() -> None:
    assert place("10.0.0.1:4000,3,2") == Place("10.0.0.1:4000", 3, 2)


@pytest.mark.parametrize("text", ["", "host,2,0", "host:1,2", "host:1,2,2", "host:1,0,0", "host:x,2,0", "host:1,2,-1"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        place(text)


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, None),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_JOB_ID": "7"}, None),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_JOB_ID": "4103"}, Place("127.0.0.1:61447", 2, 1)),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_JOB_ID": "1", "SLURM_JOB_NUM_NODES": "2",
          "SLURM_STEP_NODELIST": "gpu[03,05-07],x"}, Place("gpu03:61441", 2, 0)),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "3", "SLURM_JOB_ID": "1", "SLURM_JOB_NUM_NODES": "2",
          "SLURM_STEP_NODELIST": "n1,n2"}, Place("n1:61441", 4, 3)),
    ],
)  # fmt: skip
def test_tasks_of_a_job_know_where_they_meet(
    variables: dict[str, str], found: Place | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert together.of_slurm() == found


# -- messages ---------------------------------------------------------------------------------------------------------


def test_members_travel_as_they_are() -> None:
    table, key = jnp.arange(3.0), jax.random.key(5)
    tree = [{"key": key, "table": table, "rate": 0.1}, {"key": jax.random.key(6), "table": table, "rate": None}]
    found = hosts._restored(pickle.loads(pickle.dumps(hosts._portable(tree))))
    assert found[0]["table"] is found[1]["table"], "a part that is one object stays one object"
    np.testing.assert_array_equal(found[0]["table"], table)
    assert (found[0]["rate"], found[1]["rate"]) == (0.1, None)
    for one, other in zip(found, tree, strict=True):
        assert one["key"].dtype == other["key"].dtype
        assert jax.random.uniform(one["key"]) == jax.random.uniform(other["key"])


def test_every_call_that_uses_devices_is_told_first(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    monkeypatch.setattr(hosts, "_tell", lambda name, *arguments: done.append(("told", name)))
    for name in ("__init__", "advance", "reset_losses"):
        monkeypatch.setattr(Ensemble, name, lambda self, *arguments, name=name: done.append(("done", name)))
    state = State(None, None, jnp.int32(0), jnp.zeros(()), jnp.zeros((1, 3)))
    monkeypatch.setattr(Ensemble, "state", lambda self, index: done.append(("done", "state")) or state)
    monkeypatch.setattr(Ensemble, "params", lambda self, index: done.append(("done", "params")) or [jnp.zeros(index)])
    monkeypatch.setattr(Ensemble, "logits", lambda self: iter([(0, "a"), (1, "b")]))
    led = hosts.Led([], [], "shards", 0, frozenset())
    led.advance([3])
    led.reset_losses([0])
    assert led.state(0) is state
    assert led.params(7)[0].shape == (7,)
    looked = list(led.logits())
    assert looked == [(0, "a"), (1, "b")]
    calls = [("told", "begin"), ("done", "__init__")]
    calls += [(how, name) for name in ("advance", "reset_losses", "state", "params") for how in ("told", "done")]
    assert done == [*calls, ("told", "look"), *[("told", "look_on")] * 3]
    public = {name for name, value in vars(Ensemble).items() if callable(value) and not name.startswith("_")}
    told = {"advance", "reset_losses", "state", "params", "logits"}
    assert public - {"read"} == told, "a new method has to be told too"


# -- from beginning to end --------------------------------------------------------------------------------------------

WORLD = ("scale=smoke", "grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml", "restriction=everything",
         "name=x")  # fmt: skip


def written(outputs: Path, *words: str) -> Path:
    """A task of three runs, which two devices cannot divide evenly."""
    runs = [settings(compose(*WORLD, *words, f"seed={seed}", f"outputs={outputs}")) for seed in (1, 2, 3)]
    outputs.mkdir()
    (outputs / "task.json").write_text(json.dumps({"runs": runs, "execution": {"checkpoint_seconds": 0.2}}))
    return outputs / "task.json"


@contextmanager
def working(task: Path, processes: int, devices: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start the processes of a worker, the leader first."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices)}
    started = []
    try:
        for index in range(processes):
            several = [f"--together=127.0.0.1:{port},{processes},{index}"] if processes > 1 else []
            command = [sys.executable, "-m", "sim.running.worker", str(task), *several]
            with (task.parent / f"{index}.log").open("wb") as log:
                started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log))
        yield started
    finally:
        for one in started:
            one.kill()
            one.wait()


def logs(task: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8") for log in sorted(task.parent.glob("?.log")))


def bits(outputs: Path) -> dict[str, dict[str, str]]:
    found = {place.parent.name: read_json(place) for place in (outputs / "x").glob("*/manifest.json")}
    return {run: {name: one for name, one in files.items() if name != "run.json"} for run, files in found.items()}


def completed(task: Path, processes: int, devices: int) -> dict[str, dict[str, str]]:
    with working(task, processes, devices) as started:
        assert [one.wait(300.0) for one in started] == [0] * processes, logs(task)
    found = bits(task.parent)
    assert len(found) == 3, logs(task)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tabular_trie", "transformer"])
def test_two_processes_give_the_bits_of_one_with_as_many_devices(model: str, tmp_path: Path) -> None:
    words = (f"model={model}", "pretrain.num_steps=20", "finetune.num_steps=20")
    alone = completed(written(tmp_path / "one", *words), 1, 2)
    assert completed(written(tmp_path / "two", *words), 2, 1) == alone


@pytest.mark.slow
def test_an_interrupted_leader_writes_checkpoints_and_one_process_goes_on(tmp_path: Path) -> None:
    words = ("model=tabular_trie", "pretrain.num_steps=60000")
    alone = completed(written(tmp_path / "one", *words), 1, 2)
    task, end = written(tmp_path / "two", *words), time.monotonic() + 120.0

    def checkpoints() -> set[str]:
        return {one.name for one in task.parent.glob("store/.work/*/checkpoint-*")}

    with working(task, 2, 1) as started:
        while not checkpoints():
            assert time.monotonic() < end, logs(task)
            time.sleep(0.1)
        for one in reversed(started):  # SLURM sends it to all tasks
            one.send_signal(signal.SIGTERM)
        for one in started:
            one.wait(60.0)
        assert started[0].returncode == 143, logs(task)
    assert checkpoints()
    assert not bits(task.parent)
    assert completed(task, 1, 2) == alone


@pytest.mark.optional  # jax notices it after 100 s
def test_a_killed_follower_ends_the_leader(tmp_path: Path) -> None:
    task, end = written(tmp_path / "two", "model=tabular_trie", "pretrain.num_steps=10000000"), time.monotonic() + 120.0
    with working(task, 2, 1) as (leader, follower):
        while not list(task.parent.glob("store/.work/*/checkpoint-*")):
            assert time.monotonic() < end, logs(task)
            time.sleep(0.1)
        follower.kill()
        assert leader.wait(240.0) != 0
    notes = [read_json(note) for note in (task.parent / "x" / ".work").glob("*/status.json")]
    assert [note["state"] for note in notes] == ["running"] * 3, "they are interrupted and have not failed"
