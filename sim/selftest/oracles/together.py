"""The probability that two independent sources emit the same string, from product systems in fixed point."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from typing import TypeAlias

import mpmath

from sim.selftest.oracles import fixed, walks
from sim.selftest.oracles.fixed import Fixed
from sim.selftest.oracles.grammars import Grammar, Rhs
from sim.selftest.oracles.lists import NONE
from sim.selftest.oracles.machines import Arc, Walk

Triple: TypeAlias = tuple[int, str, int]
"""A non-terminal between two states."""


def of_walks(p: Walk, q: Walk) -> mpmath.mpf:
    """Sum over the pairs of walks with equal strings of the product of their probabilities."""
    size = q.size
    arcs: list[Arc] = []
    for s, a, t, x in p.arcs:
        arcs += [(s * size + u, a, t * size + v, x * y) for u, b, v, y in q.arcs if a == b]
    first, stops = ([x * y for x in one for y in two] for one, two in ((p.first, q.first), (p.stops, q.stops)))
    return walks.total(Walk(tuple(first), tuple(arcs), tuple(stops)))


def of_grammar(grammar: Grammar, walk: Walk) -> mpmath.mpf:
    """Sum over the derivations and the walks with equal strings of the product of their probabilities."""
    steps: dict[tuple[int, int, int], Fraction] = {}
    for s, a, t, p in walk.arcs:
        steps[s, a, t] = steps.get((s, a, t), NONE) + p
    states = range(walk.size)
    system = {
        (s, head, t): [one for rhs, p in own for one in _terms(rhs, p, s, t, steps, walk.size)]
        for head, own in grammar.rules.items()
        for s, t in product(states, states)
    }
    found = fixed.least(system)
    assert found is not None, "a probability is finite"
    total = sum(
        fixed.total([fixed.fixed(walk.first[s]), found[s, grammar.start, t], fixed.fixed(walk.stops[t])])
        for s, t in product(states, states)
    )
    return fixed.real(total)


def _terms(
    rhs: Rhs, p: Fraction, s: int, t: int, steps: dict[tuple[int, int, int], Fraction], size: int
) -> Iterator[tuple[Fixed, tuple[Triple, ...]]]:
    """Yield the terms of one rule, one for each sequence of states between its symbols."""
    if not rhs:
        if s == t:
            yield fixed.fixed(p), ()
        return
    for between in product(range(size), repeat=len(rhs) - 1):
        path, weight, factors = (s, *between, t), p, list[Triple]()
        for at, symbol in enumerate(rhs):
            if isinstance(symbol, int):
                weight *= steps.get((path[at], symbol, path[at + 1]), NONE)
            else:
                factors.append((path[at], symbol, path[at + 1]))
        if weight:
            yield fixed.fixed(weight), tuple(factors)
