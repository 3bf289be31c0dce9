"""Next-token laws by the device forms against the host forms, on the same batch: grammars and machines."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np

from benchmarks import harness
from benchmarks.harness import Result, alternate, ratios
from sim.grammars._levels import level_grammar
from sim.grammars.hidden_machine import hidden_machine
from sim.laws.device.law import on_device
from sim.laws.protocol import Law
from sim.laws.reading import law
from sim.numerics import EOS

GRAMMARS = Path(__file__).parents[1] / "examples" / "grammars"

Clock: TypeAlias = Callable[[Callable[[], Any]], float]
"""The time of one call [s]: of all cores, or until the result is there."""

LAWS: dict[str, tuple[Callable[[], Law], tuple[int, int]]] = {
    "cfg3b": (lambda: law(GRAMMARS / "cfg3b.json"), (12, 320)),
    "a hidden machine of 100 states": (lambda: law(hidden_machine().language), (64, 48)),
    "brackets": (lambda: law(GRAMMARS / "brackets.yaml"), (64, 48)),
}
"""A law by its name; how many strings a batch has, and the length at which they are cut."""

MANY = 16
"""How many times as many strings a batch has on an accelerator."""

TINY: dict[str, tuple[Callable[[], Law], tuple[int, int]]] = {
    "two levels": (lambda: law(level_grammar(2, seed=0)), (2, 9))
}


def against_host(
    benchmark: str, name: str, own: Law, shape: tuple[int, int], seconds: Clock, rounds: int
) -> list[Result]:
    """The time for the laws of all tokens of a batch: that of the host by that of the device form, in both types."""
    strings, length = shape
    batch = own.sample(np.random.default_rng(0), strings)[:, :length]
    batch = np.pad(batch, ((0, 0), (0, length - batch.shape[1])))
    tokens, true = int((batch != EOS).sum()) + strings, own.next_token(batch)
    placed = {kind: on_device(own, kind) for kind in ("float32", "float64")}
    off = {kind: float(abs(one.next_token(batch) - true).max()) for kind, one in placed.items()}
    turns = {key: partial(seconds, partial(one.next_token, batch)) for key, one in {"host": own, **placed}.items()}
    found = alternate(turns, rounds)
    times = {key: 1e6 * float(np.median(values)) / tokens for key, values in found.items()}
    return [
        Result(
            benchmark,
            f"next-token laws by the device form against the host, {name}, {kind}",
            **ratios(found["host"], found[kind]),
            note=f"{strings} strings of up to {length} tokens; {jax.devices()[0].device_kind}",
            measured={"µs of a token on the host": times["host"], "µs": times[kind], "largest difference": off[kind]},
        )
        for kind in placed
    ]


def on_cores(quick: bool, seconds: Clock) -> list[Result]:
    """All laws, by the time of the cores; tiny ones if `quick`."""
    return [
        result
        for name, (make, shape) in (TINY if quick else LAWS).items()
        for result in against_host("laws", name, make(), shape, seconds, 1 if quick else 5)
    ]


def on_accelerator(name: str, quick: bool) -> list[Result]:
    """One law in large batches, by the time until the result is there. The host has all its cores."""
    make, (strings, length) = (TINY if quick else LAWS)[name]
    shape = (strings if quick else MANY * strings), length
    return against_host("device", name, make(), shape, harness.seconds, 1 if quick else 5)
