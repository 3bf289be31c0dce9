"""A number with its certificate, its arithmetic, and how it is written for a person."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import polars as pl

LEGEND = (
    "= exact · [a, b] certified bounds, rounded outward · ≈ estimated · – not defined. Nats unless a unit is given."
)
"""What the marks of `Number.text` mean."""

NEGLIGIBLE = 1e-12
"""Exact numbers below it are rounding of float64 sums and are written as 0."""


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
        return Number(self.lower - other.upper, self.upper - other.lower, worth)

    @property
    def sign(self) -> int:
        """+1 or -1 where the interval lies on one side of 0, else 0."""
        return int(self.lower > NEGLIGIBLE) - int(self.upper < -NEGLIGIBLE)

    @property
    def text(self) -> str:
        """The number with its mark; see LEGEND."""
        if self.exactness == "exact":
            return f"= {written(self.lower)}"
        ends = f"[{written(self.lower, ROUND_FLOOR)}, {written(self.upper, ROUND_CEILING)}]"
        return ends if self.exactness == "bounded" else f"≈ {ends}"

    @property
    def bare(self) -> str:
        """The number inside a sentence: exact without a mark, bounded as both ends."""
        return self.text.removeprefix("= ")


def written(value: float, rounding: str = ROUND_HALF_EVEN) -> str:
    """A number in at most 9 characters: three decimals, fewer where it is large, scientific where it is small."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if abs(value) < NEGLIGIBLE:
        return "0"
    if abs(value) < 1e-3:
        exact = Decimal(value)
        rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), rounding)
        return f"{float(rounded):.1e}"
    places = 4 if abs(value) < 0.01 else 3 if abs(value) < 100 else 1 if abs(value) < 1e5 else 0
    return f"{Decimal(value).quantize(Decimal(1).scaleb(-places), rounding):f}"


Key = tuple[str, int, str, str, str, str]
"""Phase, step, view, metric, of, prompt law."""


def measured(metrics: pl.DataFrame) -> dict[Key, Number]:
    """The metrics table as a dictionary."""
    keys = metrics.select("phase", "step", "view", "metric", "of", "prompt_law").iter_rows()
    values: Iterable[tuple[float, float, str]] = metrics.select("lower", "upper", "exactness").iter_rows()
    return {key: Number(*value) for key, value in zip(keys, values, strict=True)}
