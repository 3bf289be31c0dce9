"""Logs, entropies and divergences of exact fractions with fifty digits."""

from collections.abc import Iterable
from fractions import Fraction

import mpmath

DIGITS = 50


def real(value: Fraction) -> mpmath.mpf:
    """Convert a fraction to an mpf with fifty digits."""
    with mpmath.workdps(DIGITS):
        return mpmath.mpf(value.numerator) / value.denominator


def log(value: Fraction) -> mpmath.mpf:
    """log of a fraction [nat]; -inf for 0."""
    with mpmath.workdps(DIGITS):
        return mpmath.log(real(value)) if value else mpmath.mpf("-inf")


def entropy(probabilities: Iterable[Fraction]) -> mpmath.mpf:
    """-sum p log p [nat], with 0 log 0 = 0."""
    with mpmath.workdps(DIGITS):
        return -mpmath.fsum(real(p) * log(p) for p in probabilities if p)


def kl(p: Iterable[Fraction], q: Iterable[Fraction]) -> mpmath.mpf:
    """sum p log(p / q) [nat] over pairs in the same order; inf if some q is 0 where p is not."""
    with mpmath.workdps(DIGITS):
        return mpmath.fsum(real(a) * (log(a) - log(b)) for a, b in zip(p, q, strict=True) if a)
