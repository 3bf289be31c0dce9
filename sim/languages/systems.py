"""Least solutions of systems with non-negative coefficients, by strongly connected component and without subtraction.

Sums over all walks or derivations are least solutions: linear ones of matrices, polynomial ones of grammars. Adding
the terms of a series keeps every digit that a solver with subtractions would lose, and a true zero stays zero.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np

Term: TypeAlias = tuple[float, tuple[int, ...]]
"""A weight and the unknowns that it multiplies, w x_i x_j ...; an unknown may occur twice."""

Growth: TypeAlias = Literal["subcritical", "critical", "supercritical"]
"""Whether the spectral radius of a non-negative matrix is below, equal to or above 1."""

DOUBLINGS, NEWTON_STEPS = 62, 80
"""Limits: 2^62 terms of a series, steps of Newton's method (at a critical point every step gains one bit)."""


def components(successors: Sequence[Collection[int]]) -> list[list[int]]:
    """Strongly connected components of a graph, each after those it leads to. Source: Tarjan 1972."""
    order: dict[int, int] = {}
    lowest = [0] * len(successors)
    stack: list[int] = []
    place: dict[int, int] = {}  # of a node on the stack
    found: list[list[int]] = []
    for root in range(len(successors)):
        if root in order:
            continue
        work = [(root, iter(successors[root]))]
        while work:
            node, following = work[-1]
            if node not in order:
                order[node] = lowest[node] = len(order)
                place[node] = len(stack)
                stack.append(node)
            child = next((c for c in following if c not in order or c in place), None)
            if child is not None and child not in order:
                work.append((child, iter(successors[child])))
                continue
            if child is not None:
                lowest[node] = min(lowest[node], order[child])
                continue
            work.pop()
            if work:
                lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
            if lowest[node] == order[node]:
                at = place[node]
                found.append(stack[at:])
                for member in found[-1]:
                    del place[member]
                del stack[at:]
    return found


def series(matrix: np.ndarray) -> np.ndarray | None:
    """I + W + W^2 + ... = (I - W)^-1 of a matrix W >= 0, summed by doubling; None where the series diverges.

    Only sums and products of non-negative numbers: every entry keeps its relative precision.
    """
    total, power = np.eye(len(matrix)), np.asarray(matrix, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # a series that overflows diverges
        for _ in range(DOUBLINGS):
            more = power @ total
            total = total + more
            if not np.isfinite(total).all():
                return None
            if (more <= 1e-18 * total).all():
                return total
            power = power @ power
    return None


def closure(rows: Sequence[Mapping[int, float]]) -> np.ndarray | None:
    """(I - W)^-1 of a sparse matrix W >= 0 given by rows, float64[K, K]; None where the series diverges."""
    out = np.eye(len(rows))
    for block in components([row.keys() for row in rows]):
        number = {node: i for i, node in enumerate(block)}
        inside = np.zeros((len(block), len(block)))
        for i, node in enumerate(block):
            for child, weight in rows[node].items():
                if child in number:
                    inside[i, number[child]] = weight
                else:
                    out[node] += weight * out[child]
        if inside.any():
            total = series(inside)
            if total is None:
                return None
            out[block] = total @ out[block]
    return out


def least_solution(equations: Sequence[Sequence[Term]]) -> np.ndarray:
    """The least x >= 0 with x_i = sum of the terms of equation i: float64[N]; math.inf where there is none.

    Newton's method from 0, component by component, which ascends to the least solution and never passes it.
    Source: Etessami & Yannakakis 2009, J. ACM 56(1), "Recursive Markov chains", section 6.
    """
    x = np.zeros(len(equations))
    graph = [{f for _, factors in terms for f in factors} for terms in equations]
    for block in components(graph):
        if len(block) == 1 and block[0] not in graph[block[0]]:
            x[block[0]] = _value(equations[block[0]], x)
        else:
            _solve_block(equations, block, x)
    return x


def _value(terms: Sequence[Term], x: np.ndarray) -> float:
    total = 0.0
    for weight, factors in terms:
        values = [x[f] for f in factors]
        if weight and all(values):  # 0 * inf = 0
            total += weight * math.prod(values)
    return float(total)


def _solve_block(equations: Sequence[Sequence[Term]], block: Sequence[int], x: np.ndarray) -> None:
    """Newton's method on one component, whose successors are solved; writes into x."""
    number = {node: i for i, node in enumerate(block)}
    for _ in range(NEWTON_STEPS):
        gap = np.array([_value(equations[node], x) - x[node] for node in block])
        if np.isinf(gap).any():
            x[block] = math.inf
            return
        if (gap <= 2e-16 * x[block]).all():
            return
        slope = np.zeros((len(block), len(block)))
        for i, node in enumerate(block):
            for weight, factors in equations[node]:
                for at, factor in enumerate(factors):
                    if factor in number:
                        slope[i, number[factor]] += _value([(weight, factors[:at] + factors[at + 1 :])], x)
        total = series(slope) if np.isfinite(slope).all() else None
        if total is None:
            x[block] = math.inf
            return
        x[block] += np.maximum(total @ gap, 0.0)  # rounding alone can make a step go down


def growth(rows: Sequence[Mapping[int, Fraction]]) -> Growth:
    """Whether the spectral radius of a matrix >= 0, given by rows of rationals, is below, at or above 1; exact.

    By component: that of an irreducible matrix M is below 1 if and only if all pivots of I - M are positive, and 1 if
    and only if the last one alone is 0.
    Source: Berman & Plemmons 1994, "Nonnegative matrices in the mathematical sciences", theorems 6.2.3 and 6.4.16.
    """
    found: Growth = "subcritical"
    for block in components([row.keys() for row in rows]):
        pivots = eliminate(*_dense(rows, block, {}))[1]
        if any(pivot <= 0 for pivot in pivots[:-1]) or pivots[-1] < 0:
            return "supercritical"
        if pivots[-1] == 0:
            found = "critical"
    return found


def eliminate(matrix: list[list[Fraction]], values: list[Fraction]) -> tuple[list[Fraction], list[Fraction]]:
    """Solution x of (I - M) x = v in rationals, and the pivots; x is empty if a pivot is not positive."""
    size = len(matrix)
    rows = [[(i == j) - entry for j, entry in enumerate(row)] for i, row in enumerate(matrix)]
    values, pivots = list(values), []
    for k in range(size):
        pivots.append(rows[k][k])
        if pivots[-1] <= 0:
            return [], pivots
        for i in range(k + 1, size):
            if factor := rows[i][k] / pivots[k]:
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
                values[i] -= factor * values[k]
    solution = [Fraction(0)] * size
    for k in reversed(range(size)):
        known = sum((rows[k][j] * solution[j] for j in range(k + 1, size)), Fraction(0))
        solution[k] = (values[k] - known) / pivots[k]
    return solution, pivots


def _dense(
    rows: Sequence[Mapping[int, Fraction]], block: Sequence[int], values: Mapping[int, Fraction]
) -> tuple[list[list[Fraction]], list[Fraction]]:
    zero = Fraction(0)
    return [[rows[i].get(j, zero) for j in block] for i in block], [values.get(i, zero) for i in block]
