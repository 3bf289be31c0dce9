"""How numbers are written for people: with the mark of their certificate, in few digits, rounded outward if bounded."""

import math
from collections.abc import Collection
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from sim.quantity import Quantity

NEGLIGIBLE = 1e-12
"""Differences of exact numbers below it are rounding of float64 sums, hence 0; other exact numbers are "< 1e-12"."""


def restored(lower: float, upper: float, kind: str, value: float | None = None) -> Quantity:
    """The number of a row of a table, which holds its ends and its kind."""
    if kind == "estimated":
        return Quantity(lower, upper, "estimated", value)
    return Quantity(lower, upper, "over seeds", value) if kind == "over seeds" else Quantity(lower, upper)


def settled(number: Quantity) -> Quantity:
    """The same number for a difference of exact ones: 0 where it is at rounding level."""
    return Quantity.of(0.0) if number.exact and abs(number.lower) < NEGLIGIBLE else number


def difference(left: Quantity, right: Quantity) -> Quantity:
    """left - right, 0 where it is at rounding level."""
    return settled(left - right)


def sign_of(number: Quantity) -> int:
    """+1 or -1 where the interval lies on one side of 0, else 0."""
    return int(number.lower > NEGLIGIBLE) - int(number.upper < -NEGLIGIBLE)


def text(number: Quantity) -> str:
    """The number with its mark; see `legend`."""
    if number.exact:
        return f"< {NEGLIGIBLE:g}" if 0.0 < abs(number.lower) < NEGLIGIBLE else f"= {written(number.lower)}"
    ends = f"[{written(number.lower, ROUND_FLOOR)}, {written(number.upper, ROUND_CEILING)}]"
    return ends if number.kind == "bounded" else f"≈ {ends}"


def bare(number: Quantity) -> str:
    """The number inside a sentence: exact without a mark, bounded as both ends."""
    return text(number).removeprefix("= ")


def written(value: float, rounding: str = ROUND_HALF_EVEN) -> str:
    """A number in at most 8 characters: three significant digits, scientific where it is small or large.

    "0" is 0 exactly.
    """
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0.0:
        return "0"
    exact = Decimal(value)
    if abs(value) < 1e-3 or abs(value) >= 1e5:
        digits = 1 if abs(value) < 1e-3 else 2
        shown = f"{float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - digits), rounding)):.{digits}e}"
    else:
        places = 4 if abs(value) < 0.01 else 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1
        shown = f"{exact.quantize(Decimal(1).scaleb(-places), rounding):f}"
    return shown.replace("-", "−", 1) if value < 0 else shown


def percent(share: float) -> str:
    """A share in percent; 100 % and 0 % only where it is exactly so."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f} %"
    if 0.9995 <= share < 1.0005:
        return "> 99.9 %" if share < 1.0 else "> 100 %"
    return (f"{100 * share:.1f} %" if abs(share) >= 0.001 else f"{100 * share:.1g} %").replace("-", "−", 1)


def counted(number: int, singular: str) -> str:
    """A count with its noun in the singular or the plural: "1 string", "2 strings"."""
    return f"{number:,} {singular}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time for people: 40 s, 3 min, 2 h 10 min, 3 d 4 h."""
    if seconds < 100:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def legend(kinds: Collection[str]) -> str:
    """What the marks of `text` mean, given the kinds of number that occur."""
    said = {
        "exact": f"= marks an exact number, and < an exact number too small to print (differences of exact numbers "
        f"below {NEGLIGIBLE:g} are rounding and are written 0).",
        "bounded": "[a, b] marks certified bounds, rounded outward.",
        "estimated": "≈ [a, b] marks an estimate with its interval.",
    }
    return " ".join([*(said[kind] for kind in said if kind in kinds), "– marks a number that is not defined."])
