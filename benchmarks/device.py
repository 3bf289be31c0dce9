"""On an accelerator: what larger ensembles and batches, bfloat16, a kernel a block and flags of XLA gain; laws; limits.

`python -m benchmarks.device --minutes 6` measures in the order of importance until the time is used, and writes the
results file. `--quick` runs everything in tiny sizes anywhere, and writes nothing. If jax finds no accelerator, nothing
is measured.
"""

import argparse
import dataclasses
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import jax
import numpy as np

from benchmarks import placed, report
from benchmarks.cases import CASES, TINY, Case
from benchmarks.fused import ROWS, Fused
from benchmarks.harness import Result, alternate, load, ratios, spread
from benchmarks.mixed import Mixed
from benchmarks.roofline import H200, demand, fused_demand, products
from benchmarks.targets import Setting, Trainings
from benchmarks.training import Ours
from sim.grammars.english import english
from sim.models._base import Model
from sim.objectives.sft import Sft

SIZES = {"vmap": (1, 8, 64, 256, 1024), "loop": (8, 64)}
"""Ensemble sizes for each mapping. With "loop" the models run one after another, so larger ensembles gain nothing."""

REACH = {"A": 6.0, "C": 50.0}
"""Goals for the largest ensemble against one model."""

BATCHES = (4, 16)
"""Factors by which a batch is made larger."""

FLAGS = {
    "command buffers for everything": "--xla_gpu_graph_min_graph_size=1 "
    "--xla_gpu_enable_command_buffer=FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,WHILE,CONDITIONAL",
    "no command buffers": "--xla_gpu_enable_command_buffer=",
    "Triton for small products": "--xla_gpu_enable_triton_gemm=true --xla_gpu_triton_gemm_any=true",
}
"""Flags of XLA that might help a step of many small kernels. Each is tried in a process of its own."""

Sizes: TypeAlias = Mapping[Literal["vmap", "loop"], tuple[int, ...]]


def throughput(name: str, case: Case, sizes: Sizes, rounds: int, seconds: float) -> list[Result]:
    """Compare the tokens per second of ensembles of several sizes with the tokens per second of one model."""
    contestants = {("vmap", 0): Ours(dataclasses.replace(case, num_models=1), "vmap")}
    for mapping, several in sizes.items():
        contestants |= {(mapping, size): Ours(dataclasses.replace(case, num_models=size), mapping) for size in several}
    turns = {key: partial(ours.tokens_per_second, seconds) for key, ours in contestants.items()}
    found = alternate(turns, rounds)
    one, largest = found.pop(("vmap", 0)), max(sizes["vmap"])
    results = [
        Result(
            "device",
            f"{size} models with {'vmap' if mapping == 'vmap' else 'lax.map'} against one, {name}",
            **ratios(rates, one),
            reach=REACH.get(name) if (mapping, size) == ("vmap", SIZES["vmap"][-1]) else None,
            note=f"{jax.devices()[0].device_kind}; float32",
            measured={"tokens/s": float(np.median(rates)), "tokens/s of one": float(np.median(one))},
        )
        for (mapping, size), rates in found.items()
    ]
    return [*results, roof(name, case, largest, found["vmap", largest])]


def roof(name: str, case: Case, size: int, rates: Sequence[float]) -> Result:
    """Compare measured tokens per second with what XLA's count of bytes and operations allows on an H200."""
    needs = demand(case)
    limits = needs.seconds(H200, size)
    bound = max(limits, key=lambda one: limits[one])
    top = size * needs.tokens / limits[bound]
    return Result(
        "device",
        f"{size} models, share of the H200's limit by {bound}, {name}",
        **spread([100.0 * rate / top for rate in rates]),
        unit="%",
        note=f"one step of one model: {needs.kernels} kernels, {needs.operations / needs.tokens:,.0f} operations and "
        f"{needs.bytes / needs.tokens:,.0f} bytes per token (XLA's count on this backend; float32)",
        measured={f"µs by {one}": 1e6 * value for one, value in limits.items()},
    )


def batches(name: str, case: Case, rounds: int, seconds: float) -> list[Result]:
    """Compare the tokens per second of one model for larger batches."""
    sizes = {
        factor: dataclasses.replace(case, num_models=1, batch_size=factor * case.batch_size) for factor in (1, *BATCHES)
    }
    turns = {factor: partial(Ours(one, "vmap").tokens_per_second, seconds) for factor, one in sizes.items()}
    found = alternate(turns, rounds)
    return [
        Result("device", f"one model with batches {factor} times as large, {name}", **ratios(found[factor], found[1]))
        for factor in BATCHES
    ]


def bfloat16(name: str, case: Case, size: int, rounds: int, seconds: float) -> list[Result]:
    """Compare activations in bfloat16 with float32: tokens per second, and how far one gradient is off."""
    what = f"{size} models, activations in bfloat16 against float32, {name}"
    return [
        _against_plain(what, Mixed, case, size, rounds, seconds, "its own ceiling is twice that of float32 by bytes")
    ]


def fused(name: str, case: Case, size: int, rows: int, rounds: int, seconds: float) -> list[Result]:
    """Compare a kernel for each block with what XLA makes of it. On a CPU, the kernels are interpreted."""
    plain, needs = demand(case), fused_demand(case, rows)
    note = (
        f"bytes per token {plain.bytes / plain.tokens:,.0f} and {needs.bytes / needs.tokens:,.0f}, kernels "
        f"{plain.kernels} and {needs.kernels} (XLA's count on this backend; closed form for the blocks)"
    )
    wrap = partial(Fused, rows=rows, interpret=jax.default_backend() == "cpu")
    what = f"{size} models, a kernel for each block against XLA's kernels, {name}"
    return [_against_plain(what, wrap, case, size, rounds, seconds, note)]


def _against_plain(
    what: str, wrap: Callable[[Any], Model], case: Case, size: int, rounds: int, seconds: float, note: str
) -> Result:
    """Compare a variant of the model with the plain one: tokens per second, and how far one gradient is off."""
    several = dataclasses.replace(case, num_models=size)
    plain, other = Ours(several, "vmap"), Ours(several, "vmap", wrap)
    found = alternate(
        {"other": partial(other.tokens_per_second, seconds), "plain": partial(plain.tokens_per_second, seconds)}, rounds
    )
    gradients = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(one.gradient())]) for one in (other, plain)]
    off = float(np.linalg.norm(gradients[0] - gradients[1]) / np.linalg.norm(gradients[1]))
    return Result(
        "device",
        what,
        **ratios(found["other"], found["plain"]),
        note=note,
        measured={"relative error of a gradient": off, "tokens/s": float(np.median(found["other"]))},
    )


def packing(name: str, case: Case, size: int) -> list[Result]:
    """Compare the number of matrix products in the step of several models with one. At 1, packing can gain nothing."""
    one, several = products(case, 1), products(case, size)
    work = f"matrix products in the step of {size} models against one, {name}"
    note = "products of equal shape that XLA computes in one batch count once"
    return [Result("device", work, **ratios([several], [one]), note=note, measured={"products": several})]


def tried(what: str, measure: Callable[[], list[Result]]) -> list[Result]:
    """Return what is measured; if it fails, say so and return nothing. This is for code that never ran on a device."""
    try:
        return measure()
    except Exception as error:
        print(f"{what}: not measured, {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
        return []


def precision(setting: Setting, quick: bool) -> Result:
    """Compare KL(P||q) at the end of the same training for the default and the highest matrix precision."""
    world, found, horizon = english(num_prompts=1 if quick else 12), {}, setting.horizons[-1]
    for name in ("default", "highest"):
        with jax.default_matmul_precision(name):
            found[name] = Trainings(world, Sft("exact"), setting).divergences(horizon).ravel()
    return Result(
        "device",
        f"KL(P‖q) after {horizon} steps, default against highest matrix precision",
        **ratios(found["default"].tolist(), found["highest"].tolist()),
        note=f"{jax.devices()[0].device_kind}; rounds are seeds",
        measured={f"{name} nats": float(np.median(values)) for name, values in found.items()},
    )


def flags(name: str, size: int, seconds: float, wanted: Mapping[str, str] = FLAGS) -> list[Result]:
    """Compare the tokens per second of processes with flags of XLA with those of a process without."""
    rates = {words: _rate(name, size, seconds, value) for words, value in {"": "", **wanted}.items()}
    plain = rates.pop("")
    return [
        Result("device", f"{size} models, XLA with {words}, {name}", **ratios(found, plain), note=wanted[words])
        for words, found in rates.items()
        if plain and found
    ]


def _rate(name: str, size: int, seconds: float, value: str) -> list[float]:
    """Return the rates that a process with these flags measures; none if XLA does not know them."""
    environment = {**os.environ, "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {value}".strip()}
    asked = [
        sys.executable,
        "-m",
        "benchmarks.device",
        "--rate",
        name,
        "--models",
        str(size),
        "--seconds",
        str(seconds),
    ]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    return [float(word) for word in done.stdout.split()] if done.returncode == 0 else []


def steps(quick: bool) -> Iterator[Callable[[], list[Result]]]:
    """Iterate over what is measured, the most important first. What never ran on a device comes last."""
    if quick:
        setting = Setting(1.0, (1e-2,), (0,), (2,), width=8, batch_size=4)
        yield lambda: throughput("tiny", TINY, {"vmap": (1, 2), "loop": (2,)}, 1, 0.01)
        yield lambda: bfloat16("tiny", TINY, 2, 1, 0.01)
        yield lambda: fused("tiny", TINY, 2, 8, 1, 0.01)
        yield lambda: packing("tiny", TINY, 2)
        yield lambda: placed.on_accelerator("two levels", quick)
        yield lambda: batches("tiny", TINY, 1, 0.01)
        yield lambda: flags("tiny", 1, 0.01, {"a flag that any backend has": "--xla_dump_hlo_as_text=false"})
        yield lambda: [precision(setting, quick)]
        return
    for name in ("C", "A"):
        case, largest = CASES[name], SIZES["vmap"][-1]
        yield partial(throughput, name, case, {"vmap": (1, 64, 256, largest), "loop": (8,)}, 3, 0.5)
        yield partial(bfloat16, name, case, largest, 3, 0.5)
        yield partial(batches, name, case, 3, 0.5)
    yield from (partial(placed.on_accelerator, name, quick) for name in placed.LAWS)
    yield partial(flags, "C", 1, 1.0)
    yield lambda: [precision(Setting(0.02, (1e-2,), (0, 1, 2, 3), (800,)), quick)]
    for name, size in itertools.product(("C", "A"), (SIZES["vmap"][-1], 1)):  # a fault could end the work of the device
        measure = partial(fused, name, CASES[name], size, ROWS, 3, 0.5)
        yield partial(tried, f"a kernel for each block, {size} models, {name}", measure)
    yield partial(tried, "products of 64 models, C", partial(packing, "C", CASES["C"], 64))


def run(quick: bool = False, minutes: float = 15.0) -> list[Result]:
    """Measure cases A and C on an accelerator for about `minutes`; return no results on a CPU."""
    if not quick and jax.default_backend() == "cpu":
        return []
    until, found = time.monotonic() + 60.0 * minutes, list[Result]()
    for step in steps(quick):
        if time.monotonic() < until:
            found += step()
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure within a time, print the results, and write them to the file of this machine."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__)
    parser.add_argument("--minutes", type=float, default=6.0, help="when nothing new is begun (default 6)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, anywhere; nothing is written")
    parser.add_argument("--rate", metavar="CASE", help="print the tokens per second of one ensemble, three times")
    parser.add_argument("--models", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args(arguments)
    if given.rate is not None:
        case = {**CASES, "tiny": TINY}[given.rate]
        ours = Ours(dataclasses.replace(case, num_models=given.models), "vmap")
        print(*(ours.tokens_per_second(given.seconds) for _ in range(3)))
        return 0
    before = load()
    found = run(given.quick, given.minutes)
    print(*report.rows([one.plain() | {"verdict": one.verdict} for one in found]), sep="\n")
    if not given.quick and found:
        report.merge(found, ["device"], before)
        report.render()
    return 0


if __name__ == "__main__":
    sys.exit(main())
