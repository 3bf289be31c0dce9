"""A number with its certificate, its arithmetic, and how it is written for a person."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import polars as pl

NEGLIGIBLE = 1e-12
"""Differences of exact numbers below it are rounding of float64 sums, hence 0; other exact numbers are "< 1e-12"."""


@dataclass(frozen=True)
class Number:
    """An interval [lower, upper] and what it is worth: exact | bounded | estimated."""

    lower: float
    upper: float
    exactness: str = "exact"

    @classmethod
    def of(cls, value: float) -> "Number":
        """An exactly known number."""
        return cls(value, value)

    def __sub__(self, other: "Number") -> "Number":
        if math.inf in (self.lower, other.lower):
            return Number(-math.inf, math.inf, "bounded")
        exactness = {self.exactness, other.exactness}
        worth = next(word for word in ("estimated", "bounded", "exact") if word in exactness)
        return Number(self.lower - other.upper, self.upper - other.lower, worth).settled

    @property
    def settled(self) -> "Number":
        """The same number for a difference of exact ones: 0 where it is at rounding level."""
        rounding = self.exactness == "exact" and abs(self.lower) < NEGLIGIBLE
        return Number.of(0.0) if rounding else self

    @property
    def sign(self) -> int:
        """+1 or -1 where the interval lies on one side of 0, else 0."""
        return int(self.lower > NEGLIGIBLE) - int(self.upper < -NEGLIGIBLE)

    @property
    def text(self) -> str:
        """The number with its mark; see `legend`."""
        if self.exactness == "exact":
            return f"< {NEGLIGIBLE:g}" if 0.0 < abs(self.lower) < NEGLIGIBLE else f"= {written(self.lower)}"
        ends = f"[{written(self.lower, ROUND_FLOOR)}, {written(self.upper, ROUND_CEILING)}]"
        return ends if self.exactness == "bounded" else f"≈ {ends}"

    @property
    def bare(self) -> str:
        """The number inside a sentence: exact without a mark, bounded as both ends."""
        return self.text.removeprefix("= ")


def written(value: float, rounding: str = ROUND_HALF_EVEN) -> str:
    """A number in at most 9 characters: three decimals, scientific where it is small or large; "0" is 0 exactly."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0.0:
        return "0"
    exact = Decimal(value)
    if abs(value) < 1e-3 or abs(value) >= 1e5:
        digits = 1 if abs(value) < 1e-3 else 2
        return f"{float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - digits), rounding)):.{digits}e}"
    places = 4 if abs(value) < 0.01 else 3 if abs(value) < 100 else 1
    return f"{exact.quantize(Decimal(1).scaleb(-places), rounding):f}"


def percent(share: float) -> str:
    """A share in percent; 100 % and 0 % only where it is exactly so."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f} %"
    if 0.9995 <= share < 1.0005:
        return "> 99.9 %" if share < 1.0 else "> 100 %"
    return f"{100 * share:.1f} %" if abs(share) >= 0.001 else f"{100 * share:.1g} %"


def counted(number: int, singular: str) -> str:
    """A count with its noun in the singular or the plural: "1 string", "2 strings"."""
    return f"{number} {singular}{'' if number == 1 else 's'}"


def legend(exactness: Collection[str]) -> str:
    """What the marks of `Number.text` mean, given the kinds of number that occur."""
    bounded, estimated = ("" if kind in exactness else " (none here)" for kind in ("bounded", "estimated"))
    return (
        f"= exact, < an exact number too small to print · [a, b] certified bounds, rounded outward{bounded} · "
        f"≈ estimated{estimated} · – not defined. Nats unless a unit is given. Differences of exact numbers below "
        f"{NEGLIGIBLE:g} are rounding and written 0."
    )


Key = tuple[str, int, str, str, str, str]
"""Phase, step, view, metric, of, prompt law."""


def measured(metrics: pl.DataFrame) -> dict[Key, Number]:
    """The metrics table as a dictionary."""
    keys = metrics.select("phase", "step", "view", "metric", "of", "prompt_law").iter_rows()
    values: Iterable[tuple[float, float, str]] = metrics.select("lower", "upper", "exactness").iter_rows()
    return {key: Number(*value) for key, value in zip(keys, values, strict=True)}
