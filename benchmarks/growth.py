"""How the cost of exact next-token laws grows with the depth, the symbols and the rules of a grammar, to the knee."""

import tracemalloc
from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.harness import Result, spread
from benchmarks.laws import seconds
from sim.grammars._levels import level_grammar
from sim.laws.nonrecursive import NonRecursive
from sim.numerics import EOS

TOKENS = 20_000
"""About so many tokens are in a batch: whole strings, and at least four."""

MIDDLE = {"depth": 6, "num_symbols": 3, "num_rules": 3}
"""The grammar from which depth, symbols and rules are changed, each alone."""

CHANGES = {"depth": (3, 4, 5, 6, 7, 8, 9), "num_symbols": (3, 5, 10, 20), "num_rules": (2, 3, 4, 5, 6, 9)}


def branching(num_symbols: int, num_rules: int) -> float:
    """How many spans of a level begin at a token, on average, if the level below is read at random; see docs/cfg3.md.

    Half of the rules have two symbols and half have three, and a pair or a triple is one of them by chance with the
    probability of f2 = r s/(2 s^2) or f3 = r s/(2 s^3). Below 1, wrong spans die out level by level; above, they fill
    the matrices.
    """
    return sum(num_rules * num_symbols / 2 / num_symbols**length for length in (2, 3))


def cost(depth: int, num_symbols: int, num_rules: int, tokens: int = TOKENS, rounds: int = 3) -> Result:
    """Microseconds of a core for the law of a token, with the memory of the batch and the branching of spans."""
    grammar = level_grammar(depth, num_symbols, num_rules)
    law = NonRecursive(grammar)
    number = max(4, int(tokens / grammar.expected_length()))
    batch = law.sample(np.random.default_rng(0), number)
    all_ = int((batch != EOS).sum()) + number
    law.next_token(batch[:1])
    found = [seconds(partial(law.next_token, batch)) / all_ * 1e6 for _ in range(rounds)]
    tracemalloc.start()
    law.next_token(batch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Result(
        "growth",
        f"law of a token: {depth} levels, {num_symbols} symbols, {num_rules} rules a symbol",
        **spread(found),
        unit="µs",
        note=f"strings of {grammar.expected_length():,.0f} tokens on average",
        measured={
            "MB for 1,000 tokens": peak / all_ / 1e3,
            "branching": branching(num_symbols, num_rules),
        },
    )


def sizes() -> Iterator[dict[str, int]]:
    """The grammars that are measured: one size is changed at a time."""
    for name, values in CHANGES.items():
        for value in values:
            yield {**MIDDLE, name: value}


def run(quick: bool = False) -> list[Result]:
    """Measure every size once."""
    if quick:
        return [cost(2, 3, 2, tokens=100, rounds=1)]
    return [cost(**one) for one in sizes()]
