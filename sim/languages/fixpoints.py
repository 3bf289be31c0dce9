"""Least solutions of polynomial systems in decimals of many digits: near critical points, where floats keep half of
their digits, and for numbers beyond the range of floats.

At a critical point a step of Newton's method gains one bit and an input that is off by d moves the solution by sqrt(d).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from fractions import Fraction
from typing import TypeAlias

Number: TypeAlias = float | Fraction | Decimal
"""A weight, taken to be exactly what it says."""

ExactTerm: TypeAlias = tuple[Decimal, tuple[int, ...]]
"""A weight and the unknowns that it multiplies."""

DIGITS = 160
"""Digits of a decimal; a critical component behind another critical one still keeps a quarter of them."""

CLOSE = Decimal("1e-75")
"""Relative size of the last step."""

TOUCHING = Decimal("1e-15")
"""A system whose steps become smaller than this before they fail has a critical solution up to the digits of its input.

What misses a solution by d has steps of sqrt(d), and no float misses by 1e-30.
"""

CRITICAL = Decimal("1e17")
"""A solution that moves by so much more than its equations do is a double root, known as well as its inputs are."""

MAX_STEPS = 2_000
"""Steps of Newton's method before it is given up; a solution of size 2^n can take n."""

BARELY = Decimal("0.999")
"""Share of the way to where a double root is expected that is gone at once, so as not to pass it."""


@contextmanager
def digits() -> Iterator[None]:
    """Arithmetic with `DIGITS` digits and hardly any limit of size."""
    traps = [InvalidOperation, DivisionByZero, Overflow]
    with localcontext(Context(prec=DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=traps)):
        yield


def decimal(value: Number) -> Decimal:
    """A number with `DIGITS` digits; a float as the binary fraction that it is."""
    if isinstance(value, Fraction):
        return Decimal(value.numerator) / Decimal(value.denominator)
    return Decimal(value)


@dataclass(frozen=True)
class Reached:
    """The least solution of a component, and whether its matrix of derivatives has spectral radius 1 there."""

    values: list[Decimal]
    critical: bool


def least(equations: Sequence[Sequence[ExactTerm]]) -> Reached | None:
    """The least solution x >= 0 of x_i = sum of the terms of i, of one strongly connected component; None if infinite.

    Newton's method from 0, which stays below the solution. Where steps become half as long each time a double root
    lies two steps ahead: nearly all of the way is tried at once, and taken back where it went too far.
    Source: Etessami & Yannakakis 2009, J. ACM 56(1); Esparza, Kiefer & Luttenberger 2010, SIAM J. Comput. 39(6).
    """
    zero = Decimal(0)
    x = before = last = [zero] * len(equations)
    leapt = False
    for _ in range(MAX_STEPS):
        gap, slope = _linearised(equations, x)
        found = None if leapt and any(g < 0 for g in gap) else solve(slope, [gap, x])
        if found is None:
            if leapt:  # too far: back to before the leap, and one plain step
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
    """The solutions of (I - W) x = v for sparse rows of W >= 0; None unless its spectral radius is below 1.

    It is if and only if all pivots are positive (Berman & Plemmons 1994, theorem 6.2.3).
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
