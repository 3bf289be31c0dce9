"""Least solutions of polynomial systems in fixed point: Newton's method on the whole system, elimination with pivots.

A number is an integer times 2^-PLACES. With so many binary places, subtraction loses no digit that is compared, even
near critical points. If a step gains only one bit, the limit on the number of steps is still large enough.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TypeAlias, TypeVar

import mpmath

from sim.selftest.oracles.numbers import DIGITS

PLACES = 480
"""Binary places of a number in fixed point."""

ONE = 1 << PLACES
"""The number 1 in fixed point."""

ROUGH = 200
"""Bits to which a least solution is computed for a comparison. A moment needs more."""

Fixed: TypeAlias = int
"""A number times 2^PLACES, as an integer."""

Key = TypeVar("Key", bound=Hashable)

Monomials: TypeAlias = Mapping[Key, Sequence[tuple[Fixed, tuple[Key, ...]]]]
"""The system x_k = sum of the terms of k. A term is a weight and the unknowns that it is multiplied by."""


def fixed(value: Fraction | int) -> Fixed:
    """Convert a fraction to fixed point, rounded down."""
    return (Fraction(value).numerator << PLACES) // Fraction(value).denominator


def rounded(value: mpmath.mpf) -> Fixed:
    """Convert an mpf to fixed point, rounded. The mpf must have enough digits."""
    with mpmath.workprec(2 * PLACES):
        return int(mpmath.nint(mpmath.ldexp(value, PLACES)))


def real(value: Fixed) -> mpmath.mpf:
    """Convert a fixed-point number to an mpf with enough digits for any comparison."""
    with mpmath.workdps(2 * DIGITS):
        return mpmath.ldexp(mpmath.mpf(value), -PLACES)


def log(value: Fixed) -> mpmath.mpf:
    """log of a number [nat]; -inf for 0."""
    with mpmath.workdps(2 * DIGITS):
        return mpmath.log(real(value)) if value else mpmath.mpf("-inf")


def productive(system: Monomials[Key]) -> set[Key]:
    """Return the unknowns that are positive in the least solution."""
    found: set[Key] = set()
    while True:
        more = {k for k, terms in system.items() if k not in found and any(_alive(t, found) for t in terms)}
        if not more:
            return found
        found |= more


def _alive(term: tuple[Fixed, tuple[Key, ...]], found: set[Key]) -> bool:
    return term[0] > 0 and all(f in found for f in term[1])


def least(
    system: Monomials[Key], bits: int = ROUGH, near: Mapping[Key, Fixed] | None = None
) -> dict[Key, Fixed] | None:
    """Return the least solution >= 0; None if there is no finite one.

    Newton's method from 0 ascends to it and never passes it. If it does not exist, a step goes down, is undefined, or
    the numbers become too large. The last step is below 2^-bits of each unknown. `near` is the solution of a similar
    system, from which the method starts.
    """
    found = _newton(system, bits, near)
    return None if found is None else found[0]


MANY = 100
"""Only a critical system takes more steps than this to reach 200 bits. A gap of 1e-12 costs about 47 steps."""


def slow(system: Monomials[Key]) -> bool:
    """Return whether the least solution is a critical point: Newton's method gains one bit per step up to the end."""
    found = _newton(system, ROUGH, None)
    return found is not None and found[1] > MANY


def _newton(system: Monomials[Key], bits: int, near: Mapping[Key, Fixed] | None) -> tuple[dict[Key, Fixed], int] | None:
    """Return the least solution and the index of the last step; None if there is no finite solution."""
    kept = productive(system)
    keys = [k for k in system if k in kept]
    number = {k: i for i, k in enumerate(keys)}
    terms = [[(w, tuple(number[f] for f in fs)) for w, fs in system[k] if _alive((w, fs), kept)] for k in keys]
    x = [0 if near is None else near[k] for k in keys]
    for number_of_steps in range(4 * PLACES):
        step = _step(terms, x)
        if step is None or (near is None and any(d < -(1 << PLACES // 2) for d in step)) or max(x, default=0) > ONE**2:
            return None
        x = [value + d for value, d in zip(x, step, strict=True)]
        if all(abs(d) <= (value >> bits) + 4 for value, d in zip(x, step, strict=True)):
            return dict.fromkeys(system, 0) | dict(zip(keys, x, strict=True)), number_of_steps
    raise ArithmeticError("no convergence")


def _step(terms: Sequence[Sequence[tuple[Fixed, tuple[int, ...]]]], x: Sequence[Fixed]) -> list[Fixed] | None:
    """Return the step of Newton's method; None if it is undefined."""
    size = len(x)
    rows = []
    for i, own in enumerate(terms):
        row = [0] * (size + 1)
        row[i], row[size] = ONE, -x[i]
        for weight, factors in own:
            value = weight
            for at, f in enumerate(factors):
                slope = weight
                for other in (*factors[:at], *factors[at + 1 :]):
                    slope = slope * x[other] >> PLACES
                row[f] -= slope
                value = value * x[f] >> PLACES
            row[size] += value
        rows.append(row)
    return solve(rows)


def solve(rows: list[list[Fixed]], places: int = PLACES) -> list[Fixed] | None:
    """Solve A x = b by Gauss-Jordan elimination with the largest pivot; None if A is singular.

    Each row holds a row of A, then its entry of b. Numbers are integers times 2^-`places`.
    """
    size = len(rows)
    for k in range(size):
        best = max(range(k, size), key=lambda i: abs(rows[i][k]))
        rows[k], rows[best] = rows[best], rows[k]
        if not (pivot := rows[k][k]):
            return None
        used = [j for j in range(k + 1, size + 1) if rows[k][j]]
        for j in used:
            rows[k][j] = (rows[k][j] << places) // pivot
        for i in range(size):
            if i != k and (factor := rows[i][k]):
                for j in used:
                    rows[i][j] -= factor * rows[k][j] >> places
    return [row[size] for row in rows]


def total(values: Iterable[Fixed]) -> Fixed:
    """Return the product of fixed-point numbers."""
    out = ONE
    for value in values:
        out = out * value >> PLACES
    return out
