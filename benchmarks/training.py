"""Training: our ensemble against two one-core torch processes, and against the sgemm peak, in one alternated run."""

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import CASES, TINY, Case, uniform_world
from benchmarks.harness import Result, alternate, ratios
from sim.languages.device import on_device
from sim.models._base import Model
from sim.models.transformer import transformer
from sim.objectives.sft import Sft
from sim.optimizers.adam import Adam
from sim.pool import cores
from sim.training.ensemble import Ensemble
from sim.training.job import Job, Phase, loss
from sim.training.programs import Mapping
from sim.training.trie_logits import trie_plan
from sim.typing import Params

PEER_REACH = {"A": (1.3, 2.0), "B": (1.0, 1.3), "C": (3.5, 6.0)}
PEAK_REACH: dict[str, tuple[float, float | None]] = {"A": (0.35, 0.5), "B": (0.45, 0.6), "C": (0.2, None)}


class Ours:
    """An ensemble as every run trains it (`sim.training.ensemble.Ensemble`), with sampled targets and Adam."""

    def __init__(
        self, case: Case, mapping: Mapping | None = None, wrap: Callable[[Model], Model] = lambda one: one
    ) -> None:
        world = uniform_world(case)
        data, plan = on_device(world), trie_plan(world.trie)
        model = wrap(transformer(world.trie, width=case.width, depth=case.depth, heads=case.heads))
        phase = Phase(data, data, None, Sft("sampled"), Adam(1e-3), 1e9, True, case.batch_size)
        init = jax.jit(model.init)
        keys = [jax.random.key(seed) for seed in range(case.num_models)]
        members = [(Job(key, init(key), phase, model), plan) for key in keys]
        self.case, self.step, self.member = case, 0, members[0]
        self.ensemble = Ensemble(members, [None] * case.num_models, mapping)
        self.advance(2)  # this compiles
        self.steps_per_second = 4 / self.advance(4)

    def gradient(self) -> Params:
        """Return the gradient of the first step of the first model."""
        job = self.member[0]
        found: Params = jax.jit(jax.grad(loss, argnums=1))(job, job.init, job.key)
        return found

    def advance(self, num_steps: int) -> float:
        """Train every model for `num_steps` steps and return the seconds."""
        self.step += num_steps
        began = time.perf_counter()
        self.ensemble.advance([self.step] * self.case.num_models)
        return time.perf_counter() - began

    def tokens_per_second(self, seconds: float) -> float:
        """Return the rate of all models together in a training that takes about `seconds`."""
        num_steps = max(1, round(seconds * self.steps_per_second))
        self.steps_per_second = num_steps / self.advance(num_steps)
        return self.steps_per_second * self.case.num_models * self.case.batch_size * self.case.length


class Peers:
    """Torch processes that train at the same time, one on each of two cores (or on one core if there is only one)."""

    def __init__(self, case: Case, trial: float) -> None:
        numbers = [str(number) for number in dataclasses.astuple(case)]
        command = [sys.executable, "-m", "benchmarks.peer_nanogpt"]
        self.processes = [
            subprocess.Popen(
                [*command, str(core), str(trial), *numbers],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[1],
            )
            for core in range(min(2, cores()))
        ]
        self.variants = self._answers()

    def ask(self, command: str) -> float:
        """Send a command to all processes and return the sum of their answers."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(command + "\n")
            process.stdin.flush()
        return sum(float(answer) for answer in self._answers())

    def _answers(self) -> list[str]:
        lines = [process.stdout.readline() if process.stdout is not None else "" for process in self.processes]
        if not all(lines):
            raise RuntimeError("a torch process ended; see its message above")
        return [line.strip() for line in lines]

    def __enter__(self) -> "Peers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.communicate()  # this closes its input, and so it ends


@contextmanager
def peers_of(case: Case, quick: bool) -> Iterator[Peers | None]:
    """Yield the peers of a case; None if torch is not installed."""
    if find_spec("torch") is None:
        yield None
        return
    with Peers(case, 0.02 if quick else 0.5) as peers:
        yield peers


def sgemm_peak(sizes: tuple[int, ...]) -> float:
    """GFLOP/s of a square single-precision product on all cores: the best of numpy and jax over several sizes."""
    best, product = 0.0, jax.jit(jnp.matmul)
    for size in sizes:
        host = np.random.default_rng(0).random((size, size), np.float32)
        device = jnp.asarray(host)
        product(device, device).block_until_ready()
        for _ in range(4):
            began = time.perf_counter()
            host @ host
            numpy_done = time.perf_counter()
            product(device, device).block_until_ready()
            taken = min(numpy_done - began, time.perf_counter() - numpy_done)
            best = max(best, 2 * size**3 / taken / 1e9)
    return best


def measure(name: str, case: Case, rounds: int, seconds: float, quick: bool) -> list[Result]:
    """Measure the ratios of one case."""
    ours = Ours(case)
    sizes = (64,) if quick else (512, 1024, 2048)
    with peers_of(case, quick) as peers:
        contestants = {
            "ours": lambda: ours.tokens_per_second(seconds),
            "peak": lambda: max(sgemm_peak(sizes), 0.0 if peers is None or quick else peers.ask("sgemm")),
        }
        if peers is not None:
            contestants["peers"] = lambda: peers.ask(f"train {seconds}")
        found = alternate(contestants, rounds)
    arithmetic = [rate * case.flops_per_token / 1e9 for rate in found["ours"]]
    peak = [max(found["peak"])] * rounds  # a disturbed round does not show the machine's peak
    middle = {key: float(np.median(values)) for key, values in found.items()}
    shape = f"{case.num_models} models"
    reach, stretch = PEAK_REACH.get(name, (None, None))
    share = Result(
        "training",
        f"share of the sgemm peak, {name}",
        **ratios([100 * rate for rate in arithmetic], peak),
        reach=None if reach is None else 100 * reach,
        stretch=None if stretch is None else 100 * stretch,
        unit="%",
        note=shape,
        measured={"GFLOP/s": float(np.median(arithmetic)), "peak GFLOP/s": peak[0]},
    )
    if peers is None:
        return [share]
    reach, stretch = PEER_REACH.get(name, (None, None))
    against = Result(
        "training",
        f"ensemble against two torch processes, {name}",
        **ratios(found["ours"], found["peers"]),
        reach=reach,
        stretch=stretch,
        note=f"{shape}; torch: {', '.join(sorted(set(peers.variants)))}",
        measured={"tokens/s": middle["ours"], "torch tokens/s": middle["peers"]},
    )
    return [against, share]


def run(quick: bool = False) -> list[Result]:
    """Measure all cases."""
    if quick:
        return measure("tiny", TINY, 2, 0.05, quick)
    return [result for name, case in CASES.items() for result in measure(name, case, 7, 3.0, quick)]
