"""Read the numbers of grammar files as exact rationals: probabilities, or weights and counts to be normalised."""

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from sim.grammars._reading import known, problem

SUM_TOLERANCE = Fraction(1, 10**9)
"""Largest distance from 1 that a sum of probabilities may have. Within it they are normalised exactly."""

DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
RATIO = re.compile(r"([+-]?[0-9]+)\s*/\s*([0-9]+)")
LONGEST_NUMBER = 1000  # characters


def weighs(path: str, data: Mapping[str, Any]) -> bool:
    """Whether the file says `normalise: true`: its numbers are weights or counts, to be divided by their sums."""
    value = data.get("normalise", "false")
    value = str(value).lower() if isinstance(value, bool) else value  # JSON has a type for it
    return known(f"{path}: normalise", value, ("true", "false"), "true or false") == "true"


def probability(place: str, value: Any, weight: bool = False) -> Fraction:
    """The exact rational that is written, such as 0.25, 1e-3 or 1/3. It is an error unless it lies in [0, 1].

    A `weight` may be above 1.
    """
    text = value.strip() if isinstance(value, str) and len(value) <= LONGEST_NUMBER else ""
    try:
        p = _rational(text)
    except ZeroDivisionError:
        raise problem(place, "a probability is required", repr(value), "its denominator is 0") from None
    if p is None:
        fix = "write a number such as 0.25 or 1/3 (in YAML with a space after the colon)"
        raise problem(place, "a probability is required", repr(value), fix)
    if weight and p.numerator < 0:
        raise problem(place, "a weight of at least 0 is required", value, "correct it")
    if not weight and not 0 <= p.numerator <= p.denominator:
        fix = "correct it, or write normalise: true if the numbers are weights or counts" if p > 1 else "correct it"
        raise problem(place, "a probability from 0 to 1 is required", value, fix)
    return p


@lru_cache(maxsize=4096)
def _rational(text: str) -> Fraction | None:
    """The number that is written; None if it is none. Raises ZeroDivisionError for a denominator of 0."""
    if ratio := RATIO.fullmatch(text):
        return Fraction(int(ratio[1]), int(ratio[2]))
    return Fraction(text) if DECIMAL.fullmatch(text) else None


def normalised(place: str, weights: Mapping[Any, Fraction], weight: bool = False) -> dict[Any, Fraction]:
    """The weights divided by their sum, exactly. If the sum is not 1 within 1e-9, an error states the sum.

    With `weight` they are weights or counts, and any positive sum will do.
    """
    total = sum(weights.values(), Fraction(0))
    if weight and not total:
        raise problem(place, "weights with a positive sum are required", "0", "correct the numbers")
    if not weight and abs(total - 1) > SUM_TOLERANCE:
        exact = f" (= {total})" if 1 < total.denominator < 10**6 else ""
        found = f"{float(total):.12g}{exact}"
        fix = "correct the numbers, or write normalise: true if they are weights or counts"
        raise problem(place, "probabilities must sum to 1 within 1e-9", found, fix)
    return dict(weights) if total == 1 else {key: weight / total for key, weight in weights.items()}
