"""Sums over all walks of a machine, from their linear system in fixed point, by elimination with pivots.

Means along walks are derivatives at h = 0 of sum_w P(w) prod (1 + h mark), taken as central differences. The package
must avoid every subtraction. Here 1200 binary places are enough to subtract without loss.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

import mpmath

from sim.selftest.oracles.fixed import solve
from sim.selftest.oracles.lists import NONE
from sim.selftest.oracles.machines import Walk

PLACES = 1200
"""Binary places of a fixed-point number."""

DIGITS = 100
"""Decimal digits of floating-point numbers in this module, so that differences keep fifty."""

STEP = 250
"""Half the width of a central difference is 2^-STEP."""

Fixed: TypeAlias = int
"""A number times 2^PLACES, as an integer."""

Marks: TypeAlias = Callable[[int, int, int, Fraction], mpmath.mpf]
"""The value of a piece of a walk, from (s, a, t, p): an arc, the first state (-1, 0, t, p) or a stop (s, 0, -1, p)."""

Entry: TypeAlias = tuple[int, int, Fixed]
"""(state, next state, weight)."""


def fixed(value: Fraction) -> Fixed:
    """Convert a fraction to fixed point, rounded down."""
    return (value.numerator << PLACES) // value.denominator


def root(value: Fraction) -> Fixed:
    """Return the square root of a fraction in fixed point."""
    return math.isqrt((value.numerator << 2 * PLACES) // value.denominator)


def real(value: Fixed) -> mpmath.mpf:
    """Convert a fixed-point number to an mpf with a hundred digits."""
    with mpmath.workdps(DIGITS):
        return mpmath.ldexp(mpmath.mpf(value), -PLACES)


@lru_cache(maxsize=100_000)
def log(value: Fraction) -> mpmath.mpf:
    """log of a positive fraction [nat], with more digits than any comparison needs."""
    with mpmath.workdps(DIGITS):
        return mpmath.log(mpmath.mpf(value.numerator)) - mpmath.log(mpmath.mpf(value.denominator))


def visits(first: Sequence[Fixed], entries: Iterable[Entry]) -> list[Fixed]:
    """Expected number of visits of every state, v = first + v M. It must be possible to leave every state."""
    size = len(first)
    rows = [[0] * size + [start] for start in first]
    for s in range(size):
        rows[s][s] = 1 << PLACES
    for s, t, weight in entries:
        rows[t][s] -= weight
    found = solve(rows, PLACES)
    assert found is not None, "every state can be left"
    return found


def weigh(first: Sequence[Fixed], entries: Iterable[Entry], stops: Sequence[Fixed]) -> Fixed:
    """Sum over all walks of the product of their weights."""
    return sum(v * stop for v, stop in zip(visits(first, entries), stops, strict=True)) >> PLACES


def useful(walk: Walk) -> Walk:
    """Return the same walks without the states that no stopping walk visits."""
    number = {s: i for i, s in enumerate(_useful(walk))}
    return Walk(
        tuple(walk.first[s] for s in number),
        tuple((number[s], a, number[t], p) for s, a, t, p in walk.arcs if s in number and t in number),
        tuple(walk.stops[s] for s in number),
    )


def _useful(walk: Walk) -> list[int]:
    ahead, back = walk.following(), [set[int]() for _ in walk.stops]
    for s, after in enumerate(ahead):
        for t in after:
            back[t].add(s)
    visited = _spread({s for s, p in enumerate(walk.first) if p}, ahead)
    return sorted(visited & _spread({s for s, p in enumerate(walk.stops) if p}, back))


def _spread(seen: set[int], following: Sequence[set[int]]) -> set[int]:
    work = list(seen)
    while work:
        for t in following[work.pop()] - seen:
            seen.add(t)
            work.append(t)
    return seen


def total(walk: Walk, power: int = 1) -> mpmath.mpf:
    """Sum over all walks of P(w)^power; 0 if no walk stops."""
    walk = useful(walk)
    return real(
        weigh(
            [fixed(p**power) for p in walk.first],
            [(s, t, fixed(p**power)) for s, _, t, p in walk.arcs],
            [fixed(p**power) for p in walk.stops],
        )
    )


def expected(walk: Walk, marks: Marks) -> mpmath.mpf:
    """Sum over all walks of P(w) times the sum of the marks along it."""
    up, down = (tilted(walk, marks, sign) for sign in (1, -1))
    return real((up - down) << STEP - 1)


def tilted(walk: Walk, marks: Marks, sign: int) -> Fixed:
    """Sum over all walks of P(w) times the product of 1 + sign h mark along it, with h = 2^-STEP."""

    def weight(s: int, a: int, t: int, p: Fraction) -> Fixed:
        if not p:
            return 0
        with mpmath.workdps(DIGITS):
            mark = int(mpmath.ldexp(marks(s, a, t, p), PLACES - STEP))
        return fixed(p) + sign * (fixed(p) * mark >> PLACES)

    number = {s: i for i, s in enumerate(_useful(walk))}
    arcs = [arc for arc in walk.arcs if arc[0] in number and arc[2] in number]
    return weigh(
        [weight(-1, 0, t, walk.first[t]) for t in number],
        [(number[s], number[t], weight(s, a, t, p)) for s, a, t, p in arcs],
        [weight(s, 0, -1, walk.stops[s]) for s in number],
    )


def entropy(walk: Walk) -> mpmath.mpf:
    """Entropy of the walk itself [nat]. It is the entropy of the string if every string has one walk."""
    return expected(walk, lambda s, a, t, p: -log(p))


def conditional_entropy(walk: Walk) -> mpmath.mpf:
    """Entropy of the walk given that it is one of these walks [nat]. Their probabilities need not sum to 1."""
    with mpmath.workdps(DIGITS):
        mass = total(walk)
        return mpmath.log(mass) + entropy(walk) / mass


def expected_length(walk: Walk) -> mpmath.mpf:
    """Mean number of symbols."""
    return expected(walk, lambda s, a, t, p: mpmath.mpf(s >= 0 and t >= 0))


def beyond(walk: Walk, length: int) -> mpmath.mpf:
    """P(a walk has `length` symbols or more), by squaring the matrix of its moves."""
    size = walk.size
    power = [[0] * size for _ in range(size)]
    for s, _, t, p in walk.arcs:
        power[s][t] += fixed(p)
    here = [fixed(p) for p in walk.first]
    while length:
        if length & 1:
            here = [sum(v * row[t] for v, row in zip(here, power, strict=True)) >> PLACES for t in range(size)]
        length >>= 1
        if length:
            power = _squared(power)
    return real(sum(here))


def _squared(matrix: list[list[Fixed]]) -> list[list[Fixed]]:
    columns = list(zip(*matrix, strict=True))
    return [[sum(a * b for a, b in zip(row, column, strict=True)) >> PLACES for column in columns] for row in matrix]


def horizon(walk: Walk, dropped: float, at_most: int) -> int | None:
    """Smallest length L with P(|x| >= L) <= `dropped`, by bisection; None if it is above `at_most`."""
    low, high = 1, at_most
    if beyond(walk, high) > dropped:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if beyond(walk, middle) <= dropped else (middle + 1, high)
    return low


def square_hellinger(both: Walk, second: Mapping[tuple[int, int], Fraction]) -> mpmath.mpf:
    """1 - sum of sqrt(P(w) Q(w)) over the walks of two deterministic machines in step (see `machines.paired`)."""
    stops = [root(p * second.get((s, 0), NONE)) for s, p in enumerate(both.stops)]
    entries = [(s, t, root(p * second[s, a])) for s, a, t, p in both.arcs]
    return real((1 << PLACES) - weigh([fixed(p) for p in both.first], entries, stops))
