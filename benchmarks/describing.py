"""What python -m sim.describe takes: a large automaton, and a language of very many equal strings."""

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import yaml

from benchmarks.harness import Result, seconds, spread
from sim.describe.command import main

STATES, ARCS = 2_000, 8
"""Size of the large automaton: its states, and the arcs that leave each of them."""

WIDTH, LENGTH = 64, 20
"""There are WIDTH^LENGTH equal strings."""

STOP = 0.1
"""Probability that a string of the large automaton ends in a state."""


NOTE = "reading the file included, without the start of Python"


def automaton(states: int, arcs: int) -> dict[str, object]:
    """Return the file of a random deterministic automaton."""
    dice = np.random.default_rng(0)
    moves = [
        {"from": f"q{state}", "symbol": f"a{symbol}", "to": f"q{dice.integers(states)}", "p": float(weight)}
        for state in range(states)
        for symbol, weight in enumerate(dice.dirichlet(np.ones(arcs)) * (1 - STOP))
    ]
    names = [f"q{state}" for state in range(states)]
    return {
        "type": "pfsa", "states": names, "initial": {"q0": 1}, "transitions": moves, "final": dict.fromkeys(names, STOP)
    }  # fmt: skip


def equal_strings(width: int, length: int) -> dict[str, object]:
    """Return the file of an automaton that writes every string of one length with the same probability."""
    moves = [
        {"from": f"q{at}", "symbol": f"a{symbol}", "to": f"q{at + 1}", "p": f"1/{width}"}
        for at in range(length)
        for symbol in range(width)
    ]
    names = [f"q{at}" for at in range(length + 1)]
    return {"type": "pfsa", "states": names, "initial": {"q0": 1}, "transitions": moves, "final": {names[-1]: 1}}


def described(content: dict[str, object], file: Path, rounds: int) -> list[float]:
    """Describe a grammar file some times, in this process, and return the times [s]."""
    file.write_text(yaml.safe_dump(content), "utf-8")

    def once() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            if status := main([str(file)]):
                raise RuntimeError(f"{file}: a description is required, found exit status {status}")

    return [seconds(once) for _ in range(rounds)]


def run(quick: bool = False) -> list[Result]:
    """Time the descriptions of both languages [s], without the start of the command."""
    states, arcs, width, length = (5, 2, 2, 3) if quick else (STATES, ARCS, WIDTH, LENGTH)
    work = {
        f"sim.describe, an automaton of {states:,} states": (automaton(states, arcs), (5.0, 2.0)),
        f"sim.describe, {width}^{length} equal strings": (equal_strings(width, length), (1.0, None)),
    }
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "grammar.yaml"
        described(equal_strings(1, 1), file, 1)  # this imports what is needed
        found = {name: described(content, file, 1 if quick else 3) for name, (content, _) in work.items()}
    return [
        Result("describing", name, **spread(found[name]), reach=reach, stretch=stretch, unit="s", note=NOTE)
        for name, (_, (reach, stretch)) in work.items()
    ]
