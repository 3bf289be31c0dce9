"""How numbers are written for people: with a mark of how they are known, and with few digits.

Intervals are rounded outward.
"""

import math
from collections.abc import Collection
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from sim.quantity import Quantity

NEGLIGIBLE = 1e-12
"""Exact differences below this are rounding of float64 sums, and count as 0. Other exact numbers are "< 1e-12"."""


def restored(lower: float, upper: float, kind: str, value: float | None = None) -> Quantity:
    """Return the quantity of a table's row, which holds its ends, its kind and perhaps its value."""
    if kind == "estimated":
        return Quantity(lower, upper, "estimated", value)
    return Quantity(lower, upper, "over seeds", value) if kind == "over seeds" else Quantity(lower, upper)


def settled(number: Quantity) -> Quantity:
    """Return the number; exactly 0 if it is exact and at rounding level. This is for differences of exact numbers."""
    return Quantity.of(0.0) if number.exact and abs(number.lower) < NEGLIGIBLE else number


def difference(left: Quantity, right: Quantity) -> Quantity:
    """Return left - right, as exactly 0 if it is exact and at rounding level."""
    return settled(left - right)


def sign_of(number: Quantity) -> int:
    """Return +1 or -1 if the interval lies on one side of 0, else 0."""
    return int(number.lower > NEGLIGIBLE) - int(number.upper < -NEGLIGIBLE)


def text(number: Quantity) -> str:
    """Write a number with its mark; see `legend`."""
    if number.exact:
        return f"< {NEGLIGIBLE:g}" if 0.0 < abs(number.lower) < NEGLIGIBLE else f"= {written(number.lower)}"
    ends = f"[{written(number.lower, ROUND_FLOOR)}, {written(number.upper, ROUND_CEILING)}]"
    return ends if number.kind == "bounded" else f"≈ {ends}"


def bare(number: Quantity) -> str:
    """Write a number for a sentence: an exact number has no mark, an interval has both ends."""
    return text(number).removeprefix("= ")


def written(value: float, rounding: str = ROUND_HALF_EVEN) -> str:
    """Write a number with at most four decimal places; in scientific notation if it is below 1e-3 or at least 1e5.

    "0" means exactly 0.
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
    """Write a share in percent. It is 100 % or 0 % only if the share is exactly 1 or 0."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f} %"
    if 0.9995 <= share < 1.0005:
        return "> 99.9 %" if share < 1.0 else "> 100 %"
    return (f"{100 * share:.1f} %" if abs(share) >= 0.001 else f"{100 * share:.1g} %").replace("-", "−", 1)


def counted(number: int, singular: str) -> str:
    """Write a count with its noun in the singular or the plural: "1 string", "2 strings"."""
    return f"{number:,} {singular}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Write a duration for people: 40 s, 3 min, 2 h 10 min, 3 d 4 h."""
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
    """Explain the marks of `text`, for the kinds of number that occur."""
    said = {
        "exact": f"= marks an exact number; < marks an exact number that is too small to print (differences of exact "
        f"numbers below {NEGLIGIBLE:g} are rounding and are written as 0).",
        "bounded": "[a, b] marks certified bounds, rounded outward.",
        "estimated": "≈ [a, b] marks an estimate with its interval.",
    }
    return " ".join([*(said[kind] for kind in said if kind in kinds), "– marks a number that is not defined."])
