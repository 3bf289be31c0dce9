"""Conditions on a value beyond its type. They stand in annotations, as in `Annotated[float, Positive]`."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Check:
    """A condition on a value. The value null is never checked.

    `description` completes the sentence "... is required". In it `{noun}` becomes "integer" or "number", and `{type}`
    becomes "an integer" or "a number". `infinite` allows ±inf, which is otherwise refused; nan is always refused.
    """

    description: str
    holds: Callable[[Any], bool] = field(repr=False)
    infinite: bool = False


class AtLeast(Check):
    """The condition that a value is at least `bound`."""

    def __init__(self, bound: int | float) -> None:
        super().__init__(f"{{type}} of at least {bound}", lambda value: bool(value >= bound))


Positive = Check("a positive {noun}", lambda value: value > 0)
NonNegative = Check("a non-negative {noun}", lambda value: value >= 0)
Fraction = Check("a number from 0 to 1", lambda value: 0 <= value <= 1)
OpenFraction = Check("a number between 0 and 1, both excluded,", lambda value: 0 < value < 1)
HalfOpenFraction = Check("a number from 0 to 1, 1 excluded,", lambda value: 0 <= value < 1)
Extended = Check("a number or ±inf", lambda _: True, infinite=True)
Name = Check(
    "a name of a-z, 0-9 and _ other than store",  # pretrainings lie in the folder `store`, beside the runs
    lambda value: re.fullmatch("[a-z0-9_]+", value) is not None and value != "store",
)
Folder = Check("the path of a folder", lambda value: value.strip() != "" and "\0" not in value)
