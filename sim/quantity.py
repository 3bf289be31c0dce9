"""A number that is exact or certified to lie in an interval."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Quantity:
    """A certified interval [lower, upper], in the unit of what it measures; exact where both ends are equal.

    Ends may be infinite. Raises ValueError if an end is nan or the ends are in the wrong order.
    """

    lower: float
    upper: float

    def __post_init__(self) -> None:
        if not self.lower <= self.upper:  # also refuses nan
            raise ValueError(f"quantity: lower <= upper is required, found [{self.lower!r}, {self.upper!r}]")

    @classmethod
    def of(cls, value: float) -> "Quantity":
        """An exactly known number."""
        return cls(float(value), float(value))

    @property
    def exact(self) -> bool:
        """Whether both ends are the same number."""
        return self.lower == self.upper

    @property
    def value(self) -> float | None:
        """The number if it is exact, None if it is only bounded."""
        return self.lower if self.exact else None

    @property
    def width(self) -> float:
        """upper - lower; 0 if exact."""
        return 0.0 if self.exact else self.upper - self.lower

    def __add__(self, other: "Quantity") -> "Quantity":
        """The sum, certified whatever the dependence of the two."""
        return Quantity(self.lower + other.lower, self.upper + other.upper)

    def __sub__(self, other: "Quantity") -> "Quantity":
        """The difference, certified whatever the dependence of the two."""
        return Quantity(self.lower - other.upper, self.upper - other.lower)

    def scaled(self, factor: float) -> "Quantity":
        """The product with an exact number."""
        ends = sorted((self.lower * factor, self.upper * factor))
        return Quantity(ends[0], ends[1])

    def increasing(self, function: Callable[[float], float]) -> "Quantity":
        """The image under a non-decreasing function."""
        return Quantity(function(self.lower), function(self.upper))

    def decreasing(self, function: Callable[[float], float]) -> "Quantity":
        """The image under a non-increasing function."""
        return Quantity(function(self.upper), function(self.lower))


def exponential(value: float) -> float:
    """e^value, +inf beyond the largest float instead of an OverflowError."""
    with np.errstate(over="ignore"):
        return float(np.exp(value))


def reciprocal(value: float) -> float:
    """1 / value for value >= 0; +inf at 0."""
    return math.inf if value == 0.0 else 1.0 / value


def logarithm(value: float) -> float:
    """log value [nat] for value >= 0; -inf at 0."""
    return -math.inf if value == 0.0 else math.log(value)
