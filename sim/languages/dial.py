"""The entropy dial: the tilt of a language that has a wanted entropy, to 1e-9 nats."""

import math
from collections.abc import Callable
from typing import TypeAlias

from sim.languages.exact import ExactLanguage
from sim.languages.tilting import FARTHEST, Per, dial_entropy, reachable, tilt, tilted
from sim.numerics import SpecificationError

TOLERANCE = 1e-9
"""How far from the wanted entropy the result may be [nat]."""

STRIDE = 0.125
"""Steps of log tau in which a change of sign is looked for."""

Point: TypeAlias = tuple[float, float]
"""log tau, and how far above the wanted entropy the tilt is [nat]."""


def dial(
    language: ExactLanguage, entropy: float, per: Per = "string", keep_prompts: bool = False, place: str = "entropy"
) -> tuple[ExactLanguage, float]:
    """The tilt of a language with a wanted entropy, to 1e-9 nats, and its temperature tau.

    H(P_tau) grows with tau; an entropy per token need not, and of several tau the one nearest to 1 is taken. For an
    ambiguous grammar it is derivational entropy that is set. Raises `SpecificationError`, with the range, for an
    entropy out of range, and `UnavailableError` for a language whose entropy is not exactly known.
    """
    now = dial_entropy(language, per, keep_prompts)
    if abs(now - entropy) <= TOLERANCE / 10:
        return language, 1.0

    def point(log_tau: float) -> Point:
        found = tilted(language, math.exp(log_tau), keep_prompts)
        return log_tau, math.inf if found is None else dial_entropy(found[0], per, keep_prompts) - entropy

    low, high = reachable(language, keep_prompts)
    inside = per == "token" or low < entropy < high
    bracket = _bracket(point, (0.0, now - entropy), per == "string") if inside else None
    if bracket is None:
        ends = f"between {low:.6g} and {high:.6g} nats per string" if per == "string" else "those of some temperature"
        raise SpecificationError(
            f"{place}: the entropies that a tilt of this language can have lie {ends}, found {entropy:g} per {per}; "
            "choose one of them"
        )
    root = _root(point, *bracket)
    if root is None:
        raise SpecificationError(
            f"{place}: an entropy that a float64 temperature meets to {TOLERANCE:g} nats is required, found "
            f"{entropy:g} per {per}, too near the limit; choose one further from it"
        )
    tau = math.exp(root)
    return tilt(language, tau, keep_prompts)[0], tau


def _bracket(point: Callable[[float], Point], here: Point, monotone: bool) -> tuple[Point, Point] | None:
    """Two neighbours on the grid of log tau, nearest to `here`, between which the sign changes; None if none are."""
    last = {-1: here, 1: here}
    sides = ({1} if here[1] < 0 else {-1}) if monotone else {-1, 1}
    for step in range(1, int(FARTHEST / STRIDE) + 1):
        for side in sorted(sides):
            try:
                found = point(side * step * STRIDE)
            except SpecificationError:  # weights underflow: nothing can be computed beyond
                sides.discard(side)
                continue
            before, last[side] = last[side], found
            if (found[1] > 0) != (before[1] > 0):
                return (before, found) if side > 0 else (found, before)
            if math.isinf(found[1]):
                sides.discard(side)
    return None


def _root(point: Callable[[float], Point], left: Point, right: Point) -> float | None:
    """log tau of the zero in between; None where no number is near enough to it.

    False position with halved weights (Illinois), bisection beside infinite ends.
    """
    at = 0.5 * (left[0] + right[0])
    for _ in range(300):
        if math.isfinite(left[1]) and math.isfinite(right[1]):
            at = right[0] - right[1] * (right[0] - left[0]) / (right[1] - left[1])
        if not left[0] < at < right[0]:
            at = 0.5 * (left[0] + right[0])
        found = point(at)
        if abs(found[1]) <= TOLERANCE / 10:
            return at
        if (found[1] > 0) == (right[1] > 0):
            left, right = (left[0], left[1] / 2), found
        else:
            left, right = found, (right[0], right[1] / 2)
        if math.isinf(left[1]) or math.isinf(right[1]):
            at = 0.5 * (left[0] + right[0])
    return None
