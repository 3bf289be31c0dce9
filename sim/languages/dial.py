"""The entropy dial: it finds the tilt of a language that has a wanted entropy, to 1e-9 nats."""

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

from sim.languages.exact import ExactLanguage
from sim.languages.tilting import FARTHEST, Per, UnresolvedError, dial_entropy, reachable, tilt, tilted
from sim.numerics import SpecificationError

TOLERANCE = 1e-9
"""Largest difference between the wanted entropy and the result [nat]."""

STRIDE = 0.125
"""Step of log tau in the search for a change of sign."""

Point: TypeAlias = tuple[float, float]
"""log tau, and the entropy of the tilt minus the wanted one [nat]."""


def dial(
    language: ExactLanguage, entropy: float, per: Per = "string", keep_prompts: bool = False, place: str = "entropy"
) -> tuple[ExactLanguage, float]:
    """The tilt of a language that has a wanted entropy, to 1e-9 nats, and its temperature tau.

    H(P_tau) grows with tau. An entropy per token need not grow; of several tau the dial takes the one nearest to 1. For
    a context-free grammar the entropy of derivations is set, which differs from that of strings if the grammar is
    ambiguous. Raises `SpecificationError` with the range for an entropy out of range, and `UnavailableError` if the
    entropy of the language is not exactly known.
    """
    if not math.isfinite(entropy):
        raise SpecificationError(f"{place}: a finite number of nats is required, found {entropy!r}")
    now = _apart(language, entropy, per, keep_prompts)
    if abs(now) <= TOLERANCE / 10:
        return language, 1.0

    def point(log_tau: float) -> Point:
        try:
            found = tilted(language, math.exp(log_tau), keep_prompts)
        except UnresolvedError:  # near divergence the entropy is above the wanted one, so it counts as infinite
            found = None
        return log_tau, math.inf if found is None else _apart(found[0], entropy, per, keep_prompts)

    low, high = reachable(language, keep_prompts)
    inside = per == "token" or low < entropy < high
    if not inside:
        raise SpecificationError(
            f"{place}: the entropy of a tilt of this language must lie between {low:.6g} and {high:.6g} nats "
            f"per string, found {entropy:g} per string; choose a value in this range"
        )
    nearest = 0.0, now
    for bracket in _brackets(point, (0.0, now), per == "string"):
        nearest = min(nearest, _root(point, *bracket), key=lambda one: abs(one[1]))
        if abs(nearest[1]) <= TOLERANCE / 10:
            tau = math.exp(nearest[0])
            return tilt(language, tau, keep_prompts)[0], tau
    raise SpecificationError(
        f"{place}: an entropy that a temperature from e^-{FARTHEST:g} to e^{FARTHEST:g} reaches to {TOLERANCE:g} nats, "
        f"with weights above 1e-308, is required, found {entropy:g} per {per}; the nearest entropy that was reached is "
        f"{entropy + nearest[1]:.12g}"
    )


def _apart(language: ExactLanguage, entropy: float, per: Per, keep_prompts: bool) -> float:
    """The entropy of a language, per string or token, minus the wanted one [nat]; +inf if the entropy is infinite."""
    found = dial_entropy(language, per, keep_prompts)
    return math.inf if math.isnan(found) else found - entropy  # nan: entropy and length are both infinite


def _brackets(point: Callable[[float], Point], here: Point, monotone: bool) -> Iterator[tuple[Point, Point]]:
    """Yield neighbours on the grid of log tau between which the sign changes, those nearest to `here` first.

    Near a temperature at which the sum diverges the change can be a jump without a zero; the zero is then elsewhere.
    """
    last = {-1: here, 1: here}
    sides = ({1} if here[1] < 0 else {-1}) if monotone else {-1, 1}
    for step in range(1, int(FARTHEST / STRIDE) + 1):
        for side in sorted(sides):
            try:
                found = point(side * step * STRIDE)
            except SpecificationError:  # weights underflow, so nothing can be computed further out
                sides.discard(side)
                continue
            before, last[side] = last[side], found
            if (found[1] > 0) != (before[1] > 0):
                yield (before, found) if side > 0 else (found, before)
            if math.isinf(found[1]):
                sides.discard(side)


def _root(point: Callable[[float], Point], left: Point, right: Point) -> Point:
    """The zero between two points, or the nearest point found if the entropy jumps to infinity between them.

    It uses false position with halved values (the Illinois method), and bisection if an end is infinite.
    """
    nearest = min(left, right, key=lambda one: abs(one[1]))
    low, high = left, right  # their second entries are halved by the Illinois method
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
