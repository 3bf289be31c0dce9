"""Sums over all walks: the series I + W + W^2 + ... of a matrix W >= 0, and its spectral radius.

Adding the terms of a series keeps every digit, and a true zero stays zero. A solver with subtractions loses digits.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np
import scipy.sparse as sp

from sim.languages import fixpoints
from sim.languages.exact import unavailable
from sim.languages.fixpoints import Number
from sim.languages.large import LARGE, SURE, Large

Matrix: TypeAlias = np.ndarray | sp.csr_array
"""A dense matrix, or a sparse one if it is large."""

Growth: TypeAlias = Literal["subcritical", "critical", "supercritical"]
"""Whether the spectral radius of a non-negative matrix is below, equal to or above 1."""

GROWTHS: tuple[Growth, ...] = ("subcritical", "critical", "supercritical")
"""The three cases, by growing spectral radius."""

DOUBLINGS, POWERS = 62, 40
"""Limits: 2^62 terms of a series, and 40 products of a matrix and a vector."""

MOST_DENSE, MOST_ENTRIES = 1_000, 2_000_000
"""A closure of more rows than this is sparse; and the largest number of its entries."""

DELICATE = 1e2
"""(I - W)^-1 multiplies errors of the weights. If it has an entry above this, floats lose too many digits."""


def components(successors: Sequence[Collection[int]]) -> list[list[int]]:
    """Strongly connected components of a graph. Each follows the components that it leads to. Source: Tarjan 1972."""
    order: dict[int, int] = {}
    lowest = [0] * len(successors)
    stack: list[int] = []
    place: dict[int, int] = {}  # the place of a node on the stack
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
    """I + W + W^2 + ... = (I - W)^-1 for a matrix W >= 0, summed by doubling; None if the series diverges.

    It uses only sums and products of non-negative numbers, so every entry keeps its relative precision.
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


def closure(rows: Sequence[Mapping[int, Number]]) -> Matrix | None:
    """(I - W)^-1 of a sparse matrix W >= 0 given by rows: float64[K, K]; None if the series diverges.

    A component with a `delicate` inverse is solved in decimals of many digits. Its entries are then taken as exactly
    the numbers that they are. The result is a sparse matrix for more than 1 000 rows. Raises `UnavailableError` if it
    has over 2 * 10^6 entries.
    """
    if len(rows) > MOST_DENSE:
        return _sparse_closure(rows)
    out = np.eye(len(rows))
    for block in components([row.keys() for row in rows]):
        number = {node: i for i, node in enumerate(block)}
        inside = np.zeros((len(block), len(block)))
        for i, node in enumerate(block):
            for child, weight in rows[node].items():
                if child in number:
                    inside[i, number[child]] = float(weight)
                else:
                    out[node] += float(weight) * out[child]
        if inside.any():
            total = _inner_closure(rows, block, inside)
            if total is None:
                return None
            out[block] = total @ out[block]
    return out


def _inner_closure(rows: Sequence[Mapping[int, Number]], block: Sequence[int], inside: np.ndarray) -> np.ndarray | None:
    """(I - W)^-1 of one component, where `inside` is W in floats."""
    number = {node: i for i, node in enumerate(block)}
    total = series(inside)
    if total is None or delicate(total):
        total = _exact_inverse([{number[j]: w for j, w in rows[i].items() if j in number} for i in block])
    return total


def _sparse_closure(rows: Sequence[Mapping[int, Number]]) -> sp.csr_array | None:
    """As `closure`, with rows as dictionaries."""
    out: list[dict[int, float]] = [{} for _ in rows]
    entries = 0
    for block in components([row.keys() for row in rows]):
        number = {node: i for i, node in enumerate(block)}
        inside = np.zeros((len(block), len(block))) if len(block) <= MOST_DENSE else None
        outside: list[dict[int, float]] = [{node: 1.0} for node in block]
        for i, node in enumerate(block):
            for child, weight in rows[node].items():
                if child not in number:
                    for other, more in out[child].items():
                        outside[i][other] = outside[i].get(other, 0.0) + float(weight) * more
                elif inside is not None:
                    inside[i, number[child]] = float(weight)
        if inside is None:
            why = f"{len(block)} symbols can derive each other by chains of rules"
            raise unavailable("probability of a string", why, f"describe a grammar with at most {MOST_DENSE}")
        if inside.any():
            total = _inner_closure(rows, block, inside)
            if total is None:
                return None
            mixed: list[dict[int, float]] = [{} for _ in block]
            for i, j in zip(*np.nonzero(total), strict=True):
                for other, more in outside[j].items():
                    mixed[i][other] = mixed[i].get(other, 0.0) + float(total[i, j]) * more
            outside = mixed
        for node, row in zip(block, outside, strict=True):
            out[node] = row
            entries += len(row)
        if entries > MOST_ENTRIES:
            why = f"there are over {MOST_ENTRIES:,} pairs of symbols that chains of rules connect"
            raise unavailable("probability of a string", why, "describe a grammar with shorter chains")
    columns = np.fromiter((other for row in out for other in row), np.int64, entries)
    values = np.fromiter((value for row in out for value in row.values()), np.float64, entries)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in out])])
    return sp.csr_array((values, columns, starts), shape=(len(rows), len(rows)))


def delicate(inverse: Matrix) -> bool:
    """Whether (I - W)^-1 is so sensitive to W that the rounding of W matters."""
    return bool(inverse.size and inverse.max() > DELICATE)


def _exact_inverse(rows: Sequence[Mapping[int, Number]]) -> np.ndarray | None:
    with fixpoints.digits():
        exact = [{j: fixpoints.decimal(weight) for j, weight in row.items()} for row in rows]
        unit = [[Decimal(i == j) for i in range(len(rows))] for j in range(len(rows))]
        columns = fixpoints.solve(exact, unit)
        return None if columns is None else np.array([[float(value) for value in column] for column in columns]).T


def certified(matrix: np.ndarray, margin: float) -> Growth | None:
    """Whether the spectral radius of a matrix M >= 0 is certainly below 1 or above 1; None if that is in doubt.

    The proof is a positive vector v with M v <= (1 - margin) v or v M >= (1 + margin) v (Collatz & Wielandt). `margin`
    must exceed all rounding errors.
    """
    size = len(matrix)
    v = np.ones(size)
    with np.errstate(all="ignore"):
        try:
            v = np.linalg.solve(np.eye(size) - matrix, v)
        except np.linalg.LinAlgError:
            pass
        if np.isfinite(v).all() and (v > 0).all() and (matrix @ v <= (1 - margin) * v).all():
            return "subcritical"
        v = np.ones(size)
        for _ in range(POWERS):
            following = v @ matrix + v  # adding v lets the iteration converge for periodic matrices
            if not np.isfinite(following).all():
                return None
            v = following / following.max()
            if (v > 0).all() and (v @ matrix >= (1 + margin) * v).all():
                return "supercritical"
    return None


def growth(rows: Sequence[Mapping[int, Fraction]]) -> Growth:
    """Whether the spectral radius of a matrix >= 0, given by rows of rationals, is below, at or above 1; exact.

    It is decided component by component. The radius of an irreducible matrix M is below 1 if and only if all pivots of
    I - M are positive. It is 1 if and only if the last pivot is 0 and the others are positive. Pivots are computed only
    if floats leave a doubt.
    Source: Berman & Plemmons 1994, "Nonnegative matrices in the mathematical sciences", theorems 6.2.3 and 6.4.16.
    """
    return max((kind for _, kind in growths(rows)), key=GROWTHS.index, default="subcritical")


def growths(rows: Sequence[Mapping[int, Fraction]]) -> list[tuple[list[int], Growth]]:
    """The strongly connected components of a matrix, each with its `growth`, after the components that it leads to."""
    return [(block, _grown(rows, block)) for block in components([row.keys() for row in rows])]


def _grown(rows: Sequence[Mapping[int, Fraction]], block: Sequence[int]) -> Growth:
    if len(block) == 1:
        entry = rows[block[0]].get(block[0], 0)
        return "subcritical" if entry < 1 else "critical" if entry == 1 else "supercritical"
    if len(block) > LARGE:
        large = Large.of(rows, block)
        if large.certificate() is None:
            why = f"{len(block)} non-terminals derive each other, and their spectral radius is not clearly below 1"
            raise unavailable("criticality", why, f"describe a grammar with at most {LARGE} of them in a cycle")
        return "subcritical"
    found = certified(np.array([[float(rows[i].get(j, 0)) for j in block] for i in block]), SURE)
    return found or _by_minors([[rows[i].get(j, Fraction(0)) for j in block] for i in block])


def _by_minors(matrix: Sequence[Sequence[Fraction]]) -> Growth:
    """The growth from the signs of the leading minors of I - M. Integers avoid the cost of reducing fractions.

    Source: Bareiss 1968, Mathematics of Computation 22(103).
    """
    rows = []
    for i, row in enumerate(matrix):
        scale = math.lcm(*(entry.denominator for entry in row))
        rows.append([(scale if i == j else 0) - int(entry * scale) for j, entry in enumerate(row)])
    before = 1
    for k in range(len(rows) - 1):
        if rows[k][k] <= 0:
            return "supercritical"
        for i in range(k + 1, len(rows)):
            factor = rows[i][k]
            rows[i][k + 1 :] = [
                (a * rows[k][k] - factor * b) // before for a, b in zip(rows[i][k + 1 :], rows[k][k + 1 :], strict=True)
            ]
        before = rows[k][k]
    last = rows[-1][-1]
    return "subcritical" if last > 0 else "critical" if last == 0 else "supercritical"
