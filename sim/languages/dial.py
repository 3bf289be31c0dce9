"""The entropy dial: the tilt of a language that has a wanted entropy, to 1e-9 nats."""

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

from sim.languages.exact import ExactLanguage
from sim.languages.tilting import FARTHEST, Per, UnresolvedError, dial_entropy, reachable, tilt, tilted
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
    if not math.isfinite(entropy):
        raise SpecificationError(f"{place}: a finite number of nats is required, found {entropy!r}")
    now = _apart(language, entropy, per, keep_prompts)
    if abs(now) <= TOLERANCE / 10:
        return language, 1.0

    def point(log_tau: float) -> Point:
        try:
            found = tilted(language, math.exp(log_tau), keep_prompts)
        except UnresolvedError:  # the entropy is beyond what was asked for, or it diverges: the side of infinity
            found = None
        return log_tau, math.inf if found is None else _apart(found[0], entropy, per, keep_prompts)

    low, high = reachable(language, keep_prompts)
    inside = per == "token" or low < entropy < high
    if not inside:
        raise SpecificationError(
            f"{place}: the entropies that a tilt of this language can have lie between {low:.6g} and {high:.6g} nats "
            f"per string, found {entropy:g} per string; choose one of them"
        )
    nearest = 0.0, now
    for bracket in _brackets(point, (0.0, now), per == "string"):
        nearest = min(nearest, _root(point, *bracket), key=lambda one: abs(one[1]))
        if abs(nearest[1]) <= TOLERANCE / 10:
            tau = math.exp(nearest[0])
            return tilt(language, tau, keep_prompts)[0], tau
    raise SpecificationError(
        f"{place}: an entropy that a temperature from e^-{FARTHEST:g} to e^{FARTHEST:g} with weights above 1e-308 "
        f"meets to {TOLERANCE:g} nats is required, found {entropy:g} per {per}; the nearest that was met is "
        f"{entropy + nearest[1]:.12g}"
    )


def _apart(language: ExactLanguage, entropy: float, per: Per, keep_prompts: bool) -> float:
    """How far the entropy of a language is above a wanted one [nat]; +inf where it is infinite, per string or token."""
    found = dial_entropy(language, per, keep_prompts)
    return math.inf if math.isnan(found) else found - entropy  # infinite entropy, infinite length: no number per token


def _brackets(point: Callable[[float], Point], here: Point, monotone: bool) -> Iterator[tuple[Point, Point]]:
    """Neighbours on the grid of log tau between which the sign changes, those nearest to `here` first.

    Next to a temperature at which the sum diverges the change may be a jump, and the zero elsewhere.
    """
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
                yield (before, found) if side > 0 else (found, before)
            if math.isinf(found[1]):
                sides.discard(side)


def _root(point: Callable[[float], Point], left: Point, right: Point) -> Point:
    """The zero in between, or the point nearest to it where no number is near enough: an entropy may jump to infinity.

    False position with halved weights (Illinois), bisection beside infinite ends.
    """
    nearest = min(left, right, key=lambda one: abs(one[1]))
    low, high = left, right  # their misses are those of the weighted secant
    for _ in range(300):
        at = 0.5 * (low[0] + high[0])
        if math.isfinite(low[1]) and math.isfinite(high[1]):
            at = high[0] - high[1] * (high[0] - low[0]) / (high[1] - low[1])
        if not low[0] < at < high[0]:
            at = 0.5 * (low[0] + high[0])
        found = point(at)
        nearest = min(nearest, found, key=lambda one: abs(one[1]))
        if abs(found[1]) <= TOLERANCE / 10 or at in (low[0], high[0]):
            break
        if (found[1] > 0) == (high[1] > 0):
            low, high = (low[0], low[1] / 2), found
        else:
            low, high = found, (high[0], high[1] / 2)
    return nearest
