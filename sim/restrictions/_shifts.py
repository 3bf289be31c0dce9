"""The probability of one of two outcomes that lies at a given divergence from another."""

import math
from typing import Literal, TypeAlias

from sim.numerics import SpecificationError

PLACE = "restriction"

Change: TypeAlias = Literal["rarer", "more frequent"]

LEAST = 1e-12
"""Least probability of an outcome, and of the other: the shift is exact to as many digits as this leaves."""

STEPS = 200
"""Halvings of the interval of a probability, more than a float has digits."""


def divergence(own: float, other: float) -> float:
    """KL of two laws with two outcomes [nat], from the probabilities of one of them, other strictly in (0, 1)."""
    rest = 0.0 if own == 1.0 else (1.0 - own) * math.log((1.0 - own) / (1.0 - other))
    return rest + (0.0 if own == 0.0 else own * math.log(own / other))


def shifted(p: float, shift: float, change: Change, shown: str, uses: float = 1.0) -> float:
    """The probability s on one side of p with `uses` KL((s, 1 - s)||(p, 1 - p)) = `shift` [nat], by bisection.

    p is strictly between 0 and 1; `shown` names the outcome in messages. Raises `SpecificationError` for a shift that
    no probability reaches, and for one that would leave an outcome less than LEAST.
    """
    low, high = (0.0, p) if change == "rarer" else (p, 1.0)
    most = divergence(low if change == "rarer" else high, p)
    if not shift / uses < most:
        raise SpecificationError(
            f"{PLACE}.shift: less than {uses * most:.4g} nat is required for {shown} {change}, found {shift:g}; "
            "lower it, or choose another one"
        )
    for _ in range(STEPS):
        middle = (low + high) / 2
        far = divergence(middle, p) > shift / uses
        low, high = (middle, high) if far == (change == "rarer") else (low, middle)
    found = (low + high) / 2
    if not LEAST <= min(found, 1.0 - found):
        raise SpecificationError(
            f"{PLACE}.shift: one that leaves {shown} and the rest a probability of at least {LEAST:g} each is required "
            f"for {shown} {change}, found {shift:g}; lower it"
        )
    return found
