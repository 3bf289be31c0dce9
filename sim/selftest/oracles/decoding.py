"""Laws of the next token with temperature, top-k, top-p and min-p, in fractions; powers with fifty digits."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

import mpmath

from sim.selftest.oracles.numbers import DIGITS, log, real

Row: TypeAlias = Sequence[Fraction]
Logs: TypeAlias = list[mpmath.mpf]


def kept(row: Row, keep: Sequence[bool]) -> Logs:
    """Return the logs of the kept probabilities, renormalised; -inf elsewhere."""
    whole = sum((p for p, stays in zip(row, keep, strict=True) if stays), Fraction(0))
    return [log(p / whole) if stays else mpmath.mpf("-inf") for p, stays in zip(row, keep, strict=True)]


def by_weight(row: Row) -> list[int]:
    """Return the tokens, the likeliest first; equally likely tokens are in index order."""
    return sorted(range(len(row)), key=lambda token: (-row[token], token))


def greedy(row: Row) -> Logs:
    """Return the uniform law over the likeliest tokens."""
    return kept([Fraction(1)] * len(row), [p == max(row) for p in row])


def temperature(tau: float) -> Callable[[Row], Logs]:
    """Return the transform to the law that is proportional to p^(1/tau)."""

    def law(row: Row) -> Logs:
        with mpmath.workdps(DIGITS):
            powers = [real(p) ** (1 / mpmath.mpf(tau)) if p else mpmath.mpf(0) for p in row]
            return [mpmath.log(value / mpmath.fsum(powers)) if value else mpmath.mpf("-inf") for value in powers]

    return law


def top_k(number: int) -> Callable[[Row], Logs]:
    """Return the transform that keeps the `number` likeliest tokens."""
    return lambda row: kept(row, [p > 0 and token in by_weight(row)[:number] for token, p in enumerate(row)])


def top_p(mass: Fraction) -> Callable[[Row], Logs]:
    """Return the transform that keeps the fewest tokens, likeliest first, that together have mass `mass`."""

    def law(row: Row) -> Logs:
        head: list[int] = []
        for token in by_weight(row):
            if sum((row[t] for t in head), Fraction(0)) < mass:
                head.append(token)
        return kept(row, [token in head for token in range(len(row))])

    return law


def min_p(share: Fraction) -> Callable[[Row], Logs]:
    """Return the transform that keeps the tokens with at least `share` times the largest probability."""
    return lambda row: kept(row, [p > 0 and p >= share * max(row) for p in row])
