"""A number that says how it is known: exact, bounded, estimated from samples, or a mean over seeds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

Kind: TypeAlias = Literal["exact", "bounded", "estimated", "over seeds"]
"""How a number is known."""


@dataclass(frozen=True)
class Quantity:
    """An interval [lower, upper] in the unit of what it measures, and how the number is known (`kind`).

    exact: both ends are the number. bounded: the number certainly lies between the ends. estimated, over seeds: the
    interval covers the expectation with probability `level`, approximately; `estimate` is the mean of `count` samples
    or seeds, and `method` says how the interval was made. Ends may be infinite. Raises ValueError if an end is nan or
    the ends are in the wrong order.
    """

    lower: float
    upper: float
    random: Literal["", "estimated", "over seeds"] = ""
    estimate: float | None = None
    level: float = 1.0
    count: int = 0
    method: str = ""

    def __post_init__(self) -> None:
        if not self.lower <= self.upper:  # also refuses nan
            raise ValueError(f"quantity: lower <= upper is required, found [{self.lower!r}, {self.upper!r}]")

    @classmethod
    def of(cls, value: float) -> "Quantity":
        """Return an exactly known number."""
        return cls(float(value), float(value))

    @classmethod
    def within_rounding(cls, lower: float, upper: float, slack: float) -> "Quantity":
        """Return bounds of a number that is at least 0, although rounding may have moved an end by up to `slack`.

        Raises ArithmeticError if the ends are swapped, or below 0, by more: then a bound is wrong.
        """
        if not (lower <= upper + slack and upper >= -slack):
            raise ArithmeticError(f"bounds: lower <= upper and upper >= 0 are required, found [{lower!r}, {upper!r}]")
        top = max(0.0, upper)
        return cls(min(max(0.0, lower), top), top)

    @property
    def kind(self) -> Kind:
        """How the number is known: exact, bounded, estimated, or over seeds."""
        return self.random or ("exact" if self.lower == self.upper else "bounded")

    @property
    def exact(self) -> bool:
        """Whether the number is known exactly."""
        return self.kind == "exact"

    @property
    def value(self) -> float | None:
        """The number if it is exact, the estimate if there is one, None if the number is only bounded."""
        return self.lower if self.exact else self.estimate

    @property
    def width(self) -> float:
        """upper - lower; 0 if exact."""
        return 0.0 if self.lower == self.upper else self.upper - self.lower

    def __add__(self, other: "Quantity") -> "Quantity":
        """The sum. It is valid for any dependence between the two numbers."""
        return self._combined(other, self.lower + other.lower, self.upper + other.upper, 1.0)

    def __sub__(self, other: "Quantity") -> "Quantity":
        """The difference. It is valid for any dependence between the two numbers; ∞ - ∞ has the bounds -∞ and ∞."""
        if math.inf in (abs(self.lower), abs(self.upper)) and math.inf in (abs(other.lower), abs(other.upper)):
            return self._combined(other, -math.inf, math.inf, -1.0)
        return self._combined(other, self.lower - other.upper, self.upper - other.lower, -1.0)

    def scaled(self, factor: float) -> "Quantity":
        """The product with an exact number."""
        lower, upper = sorted((self.lower * factor, self.upper * factor))
        return self._image(lower, upper, lambda value: value * factor)

    def increasing(self, function: Callable[[float], float]) -> "Quantity":
        """The image under a non-decreasing function."""
        return self._image(function(self.lower), function(self.upper), function)

    def decreasing(self, function: Callable[[float], float]) -> "Quantity":
        """The image under a non-increasing function."""
        return self._image(function(self.upper), function(self.lower), function)

    def _image(self, lower: float, upper: float, function: Callable[[float], float]) -> "Quantity":
        estimate = None if self.estimate is None else function(self.estimate)
        return Quantity(lower, upper, self.random, estimate, self.level, self.count, self.method)

    def _combined(self, other: "Quantity", lower: float, upper: float, sign: float) -> "Quantity":
        """A sum or a difference. The level of two random intervals follows from Bonferroni's inequality."""
        if not self.random and not other.random:
            return Quantity(lower, upper)
        first, second = self.value, other.value
        estimate = None if first is None or second is None else first + sign * second
        random: Literal["estimated", "over seeds"] = (
            "over seeds" if "over seeds" in (self.random, other.random) else "estimated"
        )
        counts = [one.count for one in (self, other) if one.random]
        methods = dict.fromkeys(one.method for one in (self, other) if one.random)
        level = max(0.0, self.level + other.level - 1.0)
        return Quantity(lower, upper, random, estimate, level, min(counts), ", ".join(methods))


def exponential(value: float) -> float:
    """e^value; +inf beyond the largest float, where `math.exp` would raise OverflowError."""
    with np.errstate(over="ignore"):
        return float(np.exp(value))


def reciprocal(value: float) -> float:
    """1 / value for value >= 0; +inf at 0."""
    return math.inf if value == 0.0 else 1.0 / value


def logarithm(value: float) -> float:
    """log value [nat] for value >= 0; -inf at 0."""
    return -math.inf if value == 0.0 else math.log(value)
