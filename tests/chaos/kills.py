"""Kill a multirun, its driver or its worker, at any time; the same command completes it with the same bits."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from sim.disk.files import read_json
from sim.disk.inspection import inspected
from sim.disk.records import Record
from sim.numerics import SpecificationError
from tests.chaos.outputs import SHORT, TINY, reference, same
from tests.composed import ROOT

LATER = "stages=[{num_steps: 3},{objective: {kind: replay, weight: 0.5}}]"
SWEEP = ("-m", *TINY, *SHORT, LATER, "seed=0,1", "optimizer.learning_rate=0.01,0.1",
         "hydra.launcher.checkpoint_seconds=0.01")  # fmt: skip
SAID = 50
"""Number of kills after which a line says how far the campaign is."""

PASSING = ("draft", "unfinished", "checkpoint")
"""What a killed process leaves and the same command removes."""


def started(outputs: Path, cache: Path) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    words = [word.strip("'") if word.startswith("'") else word for word in SWEEP]
    return subprocess.Popen(
        [sys.executable, "-m", "sim.run", *words, f"outputs={outputs}"], cwd=ROOT, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def worker_of(outputs: Path, driver: int) -> int | None:
    """The process that works for a driver; None if there is none yet."""
    for plan in outputs.glob("scratch/multirun/*/plan.json"):
        if (read_json(plan) or {}).get("pid") == driver:
            logs = sorted(plan.parent.glob("worker-*.log"))
            found = re.match(rb"process (\d+)\n", logs[-1].read_bytes()) if logs else None
            return int(found[1]) if found else None
    return None


def kill(outputs: Path, cache: Path, lasts: float, draw: random.Random) -> str:
    """Start the multirun, kill one of its processes, and return which; "" if it was over before."""
    with started(outputs, cache) as driver:
        time.sleep(draw.uniform(0.0, lasts))
        victim = draw.choice(["driver", "worker"])
        process = driver.pid if victim == "driver" else worker_of(outputs, driver.pid)
        if driver.poll() is not None or process is None:
            driver.wait()
            return ""
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        driver.wait()
    return victim


def settled(outputs: Path, expected: dict[str, Record]) -> None:
    """Every record that is there is whole and right."""
    with suppress(SpecificationError):  # there is nothing yet
        assert not [fault for fault in inspected(outputs).faults if fault.kind not in PASSING]
    if outputs.is_dir():
        assert all(same(record, expected[name]) for name, record in reference(outputs).items())


def campaign(folder: Path, number: int, seed: int) -> "Counter[str]":
    """Kill a multirun `number` times; whenever one is complete, begin another."""
    draw, counts, cache = random.Random(seed), Counter[str](), folder / "cache"
    undisturbed = folder / "undisturbed"
    for _ in range(2):  # the second time, programs are compiled already
        began = time.monotonic()
        target = undisturbed if not undisturbed.exists() else folder / "timed"
        assert started(target, cache).wait() == 0, "the multirun ends well if nobody disturbs it"
        lasts = time.monotonic() - began
    expected = reference(undisturbed)
    assert len(expected) == 4
    life = 0
    while counts.total() < number:
        outputs, life = folder / f"life-{life}", life + 1
        for _ in range(draw.randrange(1, 5)):
            if counts.total() < number and (victim := kill(outputs, cache, lasts, draw)):
                counts[f"{victim} killed"] += 1
                if counts.total() % SAID == 0:
                    print(f"{counts.total()} of {number} kills", flush=True)
                time.sleep(0.2)  # a worker notices that its driver is gone
                settled(outputs, expected)
        for _ in range(3):  # a kill of a worker leaves failures that the next command tries again
            if started(outputs, cache).wait() in (0, 2):
                break
        found = reference(outputs)
        assert set(found) == set(expected)
        settled(outputs, expected)
        assert not inspected(outputs).faults
    return counts
