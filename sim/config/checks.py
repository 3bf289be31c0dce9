"""Conditions on a value beyond its type, written into annotations: `Annotated[float, Positive]`."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Check:
    """A condition on a value; null is never checked.

    `description` completes "... is required"; `{noun}` in it becomes "integer" or "number", `{type}` "an integer" or
    "a number". `infinite` admits ±inf, which is refused otherwise (nan always is).
    """

    description: str
    holds: Callable[[Any], bool] = field(repr=False)
    infinite: bool = False


class AtLeast(Check):
    """Values of `bound` or more."""

    def __init__(self, bound: int | float) -> None:
        super().__init__(f"{{type}} of at least {bound}", lambda value: bool(value >= bound))


Positive = Check("a positive {noun}", lambda value: value > 0)
NonNegative = Check("a non-negative {noun}", lambda value: value >= 0)
Fraction = Check("a number from 0 to 1", lambda value: 0 <= value <= 1)
OpenFraction = Check("a number between 0 and 1, both excluded,", lambda value: 0 < value < 1)
HalfOpenFraction = Check("a number from 0 to 1, 1 excluded,", lambda value: 0 <= value < 1)
Extended = Check("a number or ±inf", lambda _: True, infinite=True)
Name = Check(
    "a name of a-z, 0-9 and _ other than store",  # which is where pretrainings lie, beside the runs
    lambda value: re.fullmatch("[a-z0-9_]+", value) is not None and value != "store",
)
