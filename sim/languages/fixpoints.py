"""Least solutions of polynomial systems in decimals of many digits.

They are needed near critical points, where floats keep only half of their digits, and for numbers beyond the range of
floats. At a critical point a step of Newton's method gains only one bit, and an error d of an input moves the solution
by about sqrt(d).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from fractions import Fraction
from typing import TypeAlias

Number: TypeAlias = float | Fraction | Decimal
"""A weight. It is taken as exactly the number that it is."""

ExactTerm: TypeAlias = tuple[Decimal, tuple[int, ...]]
"""A weight, and the unknowns that it multiplies."""

DIGITS = 160
"""Digits of a decimal. Even a critical component that depends on another critical one keeps a quarter of them."""

CLOSE = Decimal("1e-75")
"""The iteration ends when its steps are below this, relative to the solution."""

TOUCHING = Decimal("1e-15")
"""If the steps are below this, relative to the solution, before a step fails, the solution is taken as critical.

A system that misses a solution by d has steps of about sqrt(d), and no rounding of a float misses by only 1e-30.
"""

CRITICAL = Decimal("1e17")
"""If a solution changes by more than this factor when its equations change, it is a double root up to rounding."""

MAX_STEPS = 2_000
"""Largest number of steps of Newton's method. A solution of size 2^n can take n steps."""

BARELY = Decimal("0.999")
"""Share of the way to an expected double root that is taken in one step. It is below 1, so as not to pass the root."""


@contextmanager
def digits() -> Iterator[None]:
    """A context for decimals with `DIGITS` digits and the largest range of exponents."""
    traps = [InvalidOperation, DivisionByZero, Overflow]
    with localcontext(Context(prec=DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=traps)):
        yield


def decimal(value: Number) -> Decimal:
    """A number as a decimal with `DIGITS` digits. A float counts as exactly the binary fraction that it is."""
    if isinstance(value, Fraction):
        return Decimal(value.numerator) / Decimal(value.denominator)
    return Decimal(value)


@dataclass(frozen=True)
class Reached:
    """The least solution of a component, and whether the matrix of derivatives has spectral radius 1 there."""

    values: list[Decimal]
    critical: bool


def least(equations: Sequence[Sequence[ExactTerm]]) -> Reached | None:
    """The least solution x >= 0 of x_i = sum of the terms of i, for one strongly connected component; None if infinite.

    It is Newton's method from 0, which stays below the solution. If every step is half as long as the one before, a
    double root lies two such steps ahead. Then nearly all of this way is tried at once, and undone if it went too far.
    Source: Etessami & Yannakakis 2009, J. ACM 56(1); Esparza, Kiefer & Luttenberger 2010, SIAM J. Comput. 39(6).
    """
    zero = Decimal(0)
    x = before = last = [zero] * len(equations)
    leapt = False
    for _ in range(MAX_STEPS):
        gap, slope = _linearised(equations, x)
        found = None if leapt and any(g < 0 for g in gap) else solve(slope, [gap, x])
        if found is None:
            if leapt:  # the leap went too far: go back to the point before it and take one plain step
                x, leapt = [value + step for value, step in zip(before, last, strict=True)], False
                continue
            touching = all(step <= TOUCHING * value for step, value in zip(last, x, strict=True)) and any(x)
            return Reached(x, True) if touching else None
        step, spread = found
        if all(s <= CLOSE * value for s, value in zip(step, x, strict=True)) and all(x):
            critical = any(k > value * CRITICAL for k, value in zip(spread, x, strict=True))
            return Reached([value + max(s, zero) for value, s in zip(x, step, strict=True)], critical)
        halving = not leapt and all(
            Decimal("0.49") * d < s < Decimal("0.51") * d for s, d in zip(step, last, strict=True)
        )
        before, last, leapt = x, step, halving
        reach = 2 * BARELY if halving else Decimal(1)
        x = [value + reach * s for value, s in zip(x, step, strict=True)]
    raise ArithmeticError(f"a system of {len(equations)} equations: no least solution within {MAX_STEPS} steps")


def _linearised(
    equations: Sequence[Sequence[ExactTerm]], x: Sequence[Decimal]
) -> tuple[list[Decimal], list[dict[int, Decimal]]]:
    """F(x) - x, and the derivatives of F at x."""
    gaps, slopes = [], []
    for own, here in zip(equations, x, strict=True):
        value, row = Decimal(0), dict[int, Decimal]()
        for weight, factors in own:
            for at, factor in enumerate(factors):
                slope = weight
                for other in (*factors[:at], *factors[at + 1 :]):
                    slope *= x[other]
                row[factor] = row.get(factor, Decimal(0)) + slope
            product = weight
            for factor in factors:
                product *= x[factor]
            value += product
        gaps.append(value - here)
        slopes.append(row)
    return gaps, slopes


def solve(rows: Sequence[dict[int, Decimal]], sides: Sequence[Sequence[Decimal]]) -> list[list[Decimal]] | None:
    """The solutions x of (I - W) x = v for sparse rows of W >= 0 and several v; None unless W has radius below 1.

    The spectral radius is below 1 if and only if all pivots are positive (Berman & Plemmons 1994, theorem 6.2.3).
    """
    size, zero = len(rows), Decimal(0)
    table = [{j: -w for j, w in row.items() if w} for row in rows]
    values = [list(side) for side in sides]
    for i, row in enumerate(table):
        row[i] = row.get(i, zero) + 1
    below: list[set[int]] = [set() for _ in range(size)]
    for i, row in enumerate(table):
        for j in row:
            if j < i:
                below[j].add(i)
    for k in range(size):
        pivot = table[k][k]
        if pivot <= 0:
            return None
        ahead = [(j, entry) for j, entry in table[k].items() if j > k]
        for i in below[k]:
            factor = table[i].pop(k) / pivot
            for j, entry in ahead:
                table[i][j] = table[i].get(j, zero) - factor * entry
                if j < i:
                    below[j].add(i)
            for value in values:
                value[i] -= factor * value[k]
    for value in values:
        for k in reversed(range(size)):
            known = sum((entry * value[j] for j, entry in table[k].items() if j > k), zero)
            value[k] = (value[k] - known) / table[k][k]
    return values
