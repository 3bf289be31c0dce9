"""Least solutions of systems with non-negative coefficients, by strongly connected component.

Sums over all walks are least solutions of linear systems, and sums over all derivations of polynomial systems. A step
of Newton's method adds the non-negative terms of a series. So it keeps every digit, and a true zero stays zero; a
solver with subtractions would lose digits.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

import numpy as np

from sim.languages import fixpoints
from sim.languages.exact import unavailable
from sim.languages.fixpoints import Number
from sim.languages.large import LARGE
from sim.languages.matrices import certified, components, series

Term: TypeAlias = tuple[Number, tuple[int, ...]]
"""A weight and the unknowns that it multiplies, w x_i x_j ... . An unknown may occur twice."""

NEWTON_STEPS = 80
"""Largest number of steps of Newton's method in floats. At a critical point every step gains only one bit."""

DOUBT = 1e-5
"""A margin of the spectral radius that exceeds rounding even at a double root, which floats resolve to 1e-8."""

MANY = 300
"""Products of more weights than this accumulate rounding errors in more than the last three digits of a float."""

MOST_ROUNDS = 3_000
"""Largest number of rounds for a component that is too large for Newton's method."""

SMALLEST = 1e-290
"""Values below this are so near to the end of the range of floats that they may lose digits."""


@dataclass(frozen=True)
class Least:
    """A least solution in floats, and in decimals if floats are not precise enough."""

    x: np.ndarray
    possible: np.ndarray  # bool[N], the unknowns above 0
    decimals: list[Decimal | None] | None  # an infinite entry is None
    critical: frozenset[int]  # the unknowns of components with derivatives of spectral radius 1 at the solution


def least_solution(equations: Sequence[Sequence[Term]]) -> np.ndarray:
    """The least x >= 0 with x_i = sum of the terms of equation i: float64[N]; math.inf if no finite x_i exists.

    It is Newton's method from 0, component by component. It ascends to the least solution and never passes it.
    Source: Etessami & Yannakakis 2009, J. ACM 56(1), "Recursive Markov chains", section 6.
    """
    return least(equations).x


def least(equations: Sequence[Sequence[Term]], in_decimals: bool = False) -> Least:
    """The least solution with further facts about it, in decimals if `in_decimals` or if floats lose digits.

    Floats lose digits near critical points, where the solution changes by much more than the weights, and beyond their
    range. In decimals, weights are taken as exactly the numbers that they are.
    """
    possible = positive(equations)
    kept = [[term for term in terms if _lives(term, possible)] for terms in equations]
    graph = [{f for _, factors in terms for f in factors} for terms in kept]
    order = components(graph)
    if not in_decimals:
        with np.errstate(all="ignore"):  # values outside the range of floats are detected below
            x = _in_floats(kept, graph, order)
        if x is not None and ((x > SMALLEST) | ~possible).all():
            return Least(x, possible, None, frozenset())
    return _in_decimals(kept, possible, order)


def positive(equations: Sequence[Sequence[Term]]) -> np.ndarray:
    """The unknowns that are above 0 in the least solution: bool[N]."""
    found = np.zeros(len(equations), bool)
    users: list[list[int]] = [[] for _ in equations]
    for node, terms in enumerate(equations):
        for f in {f for _, factors in terms for f in factors}:
            users[f].append(node)
    waiting = list(range(len(equations)))
    while waiting:
        node = waiting.pop()
        if not found[node] and any(_lives(term, found) for term in equations[node]):
            found[node] = True
            waiting.extend(users[node])
    return found


def _lives(term: Term, possible: np.ndarray) -> bool:
    return term[0] > 0 and all(possible[f] for f in term[1])


def _in_floats(
    equations: Sequence[Sequence[Term]], graph: Sequence[set[int]], order: Sequence[Sequence[int]]
) -> np.ndarray | None:
    """The least solution; None if floats lose digits or leave a doubt."""
    x, uses = np.zeros(len(equations)), np.zeros(len(equations))
    rough = [[(_rough(weight), factors) for weight, factors in terms] for terms in equations]
    for block in order:
        if len(block) == 1 and block[0] not in graph[block[0]]:
            x[block[0]] = _value(rough[block[0]], x)
            if x[block[0]] == math.inf and all(x[f] < math.inf for f in graph[block[0]]):
                return None
            entering = _entering(rough[block[0]], x, uses)
            uses[block[0]] = entering / x[block[0]] if 0 < x[block[0]] < math.inf else 0.0
        elif not _solve_block(rough, block, x, uses):
            return None
    return x if (uses <= MANY).all() else None


def _rough(weight: Number) -> float:
    """A weight as a float; math.inf if it is beyond the range of floats, for rationals too."""
    try:
        return float(weight)
    except OverflowError:
        return math.inf


def _value(terms: Sequence[tuple[float, tuple[int, ...]]], x: np.ndarray) -> float:
    return float(sum(weight * math.prod(x[f] for f in factors) for weight, factors in terms))


def _entering(terms: Sequence[tuple[float, tuple[int, ...]]], x: np.ndarray, uses: np.ndarray) -> float:
    """The sum over terms of their value times their number of weights: their own and those of their factors."""
    return float(
        sum(w * math.prod(x[f] for f in factors) * (1 + sum(uses[f] for f in factors)) for w, factors in terms)
    )


def _solve_block(
    equations: Sequence[Sequence[tuple[float, tuple[int, ...]]]],
    block: Sequence[int],
    x: np.ndarray,
    uses: np.ndarray,
) -> bool:
    """Newton's method on one component after its successors are solved. It writes into x and uses; False if in doubt.

    `uses` is the mean number of weights that are multiplied in a term of the expanded solution. The relative error of
    the solution is up to this many times the relative error of a weight.
    """
    if len(block) > LARGE:
        return _ascend(equations, block, x, uses)
    number = {node: i for i, node in enumerate(block)}
    if any(not np.isfinite(x[f]) for node in block for _, factors in equations[node] for f in factors):
        x[block] = math.inf
        return True
    for _ in range(NEWTON_STEPS):
        gap = np.array([_value(equations[node], x) - x[node] for node in block])
        slope = np.zeros((len(block), len(block)))
        for i, node in enumerate(block):
            for weight, factors in equations[node]:
                for at, factor in enumerate(factors):
                    if factor in number:
                        slope[i, number[factor]] += _value([(weight, factors[:at] + factors[at + 1 :])], x)
        if not np.isfinite(slope).all():
            return False
        total = series(slope)
        if total is None:
            x[block] = math.inf
            return certified(slope, DOUBT) == "supercritical"  # below a finite solution the radius is at most 1
        if (gap <= 4e-16 * x[block]).all():
            if not (x[block] > 0).all():
                return False
            uses[block] = total @ np.array([_entering(equations[node], x, uses) for node in block]) / x[block]
            return True
        x[block] += np.maximum(total @ gap, 0.0)  # a step can be negative only by rounding
    return False


def _ascend(
    equations: Sequence[Sequence[tuple[float, tuple[int, ...]]]], block: Sequence[int], x: np.ndarray, uses: np.ndarray
) -> bool:
    """Solve a large component by x = F(x) from 0, which ascends to the least solution. Returns True.

    After a step of size d that shrinks by a factor r from step to step, the rest is about d r / (1 - r). Raises
    `UnavailableError` if it does not become small.
    """
    terms = [(i, weight, factors) for i, node in enumerate(block) for weight, factors in equations[node]]
    groups = []
    for size in {len(factors) for _, _, factors in terms}:
        own = [term for term in terms if len(term[2]) == size]
        rows, weights, factors = zip(*own, strict=True)
        groups.append((np.array(rows), np.array(weights), np.array(factors, np.int64).reshape(len(own), size)))
    before = math.inf
    for _ in range(MOST_ROUNDS):
        value = np.zeros(len(block))
        for row, weight, factor in groups:
            value += np.bincount(row, weight * x[factor].prod(axis=1), len(block))
        step = value - x[block]
        x[block] = value
        largest = float((step / np.where(value > 0, value, 1.0)).max())
        if largest < 1e-3 and largest * largest <= 1e-16 * max(before - largest, 0.0) and (value > 0).all():
            return True
        if largest <= 0 and (value > 0).all():
            return True
        before = largest
    why = f"a system of {len(block)} equations does not converge within {MOST_ROUNDS} rounds"
    raise unavailable("sum over all derivations", why, "describe a grammar whose rules are less recursive")


def _in_decimals(equations: Sequence[Sequence[Term]], possible: np.ndarray, order: Sequence[Sequence[int]]) -> Least:
    values: list[Decimal | None] = [None if alive else Decimal(0) for alive in possible]
    critical: list[int] = []
    with fixpoints.digits():
        exact = [[(fixpoints.decimal(weight), factors) for weight, factors in terms] for terms in equations]
        for block in order:
            number = {node: i for i, node in enumerate(block)}
            outside = {f for node in block for _, factors in exact[node] for f in factors if f not in number}
            if not possible[block[0]] or any(values[f] is None for f in outside):
                continue
            inner = [_inner(exact[node], number, values) for node in block]
            if all(not factors for terms in inner for _, factors in terms):  # it may underflow to 0, as 2^-2^64 does
                values[block[0]] = sum((weight for weight, _ in inner[0]), Decimal(0))
                continue
            found = fixpoints.least(inner)
            if found is not None:
                for node, value in zip(block, found.values, strict=True):
                    values[node] = value
                if found.critical:
                    critical += block
        x = np.array([math.inf if value is None else float(value) for value in values])
    return Least(x, possible, values, frozenset(critical))


def _inner(
    terms: Sequence[fixpoints.ExactTerm], number: Mapping[int, int], values: Sequence[Decimal | None]
) -> list[fixpoints.ExactTerm]:
    """Terms in the unknowns of one component. Other unknowns are multiplied into the weights; like terms are added."""
    found: dict[tuple[int, ...], Decimal] = {}
    for weight, factors in terms:
        for f in factors:
            if f not in number:
                weight *= values[f] or 0
        inner = tuple(sorted(number[f] for f in factors if f in number))
        found[inner] = found.get(inner, Decimal(0)) + weight
    return [(weight, factors) for factors, weight in found.items()]
