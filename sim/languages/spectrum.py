"""The spectral radius of a language's matrix: how fast the probability of long strings or derivations falls."""

from collections.abc import Callable

import numpy as np

from sim.languages.exact import ExactLanguage, unavailable
from sim.languages.hidden_ops import walked
from sim.languages.machine import Machine
from sim.languages.matrices import components
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import expectation
from sim.quantity import Quantity

STEPS = 200
"""Largest number of steps of the iteration. It usually needs fewer than ten."""

BEYOND = 1.0 + 1e-14
"""The shift is larger than the upper bound by this factor, or the last equations would be singular."""

CLOSE = 1e-13
"""The radius counts as exact, up to rounding, if its certified bounds differ by at most this, relative to it."""


def spectral_radius(language: ExactLanguage) -> Quantity:
    """The spectral radius r of the matrix M of a machine or a grammar, with certified bounds [1].

    For an automaton, M_st is the probability to move from s to t, without the stop, among the states that occur. Then
    r < 1, r = 0 if no state leads back to itself, and else P(|x| >= n) falls like r^n. For a grammar, M_AB is the mean
    number of B in a rule of A: derivations are sub-critical if r < 1 and critical if r = 1; r = 1 is decided by
    rational arithmetic. Raises `UnavailableError` for lists and for chains that never stop.
    """
    if isinstance(language, Machine):
        seen = np.flatnonzero(walked(language.first > 0, language.moves > 0))
        return radius(language.moves[np.ix_(seen, seen)])
    if isinstance(language, ContextFree):
        if language.growth == "critical":
            return Quantity.of(1.0)
        matrix = np.zeros((len(language.nonterminals),) * 2)
        for head, row in enumerate(expectation(language.rules, len(matrix))):
            for child, mean in row.items():
                matrix[head, child] = float(mean)
        return radius(matrix)
    raise unavailable("spectral radius", "only automata and grammars have one", "describe one of these")


def radius(matrix: np.ndarray) -> Quantity:
    """The spectral radius of a matrix M >= 0: the largest one of its strongly connected components."""
    lower = upper = 0.0
    for block in components([np.flatnonzero(row).tolist() for row in matrix]):
        low, high = _bounds(matrix[np.ix_(block, block)])
        lower, upper = max(lower, low), max(upper, high)
    if upper - lower <= CLOSE * upper:
        return Quantity.of(upper if lower == upper else 0.5 * (lower + upper))
    return Quantity(lower, upper)


def _bounds(block: np.ndarray) -> tuple[float, float]:
    """Bounds of the radius of an irreducible matrix B: min_i (B x)_i / x_i <= r <= max_i (B x)_i / x_i for x > 0.

    x is improved by inverse iteration with the upper bound as the shift. It converges quadratically at first, and for
    periodic matrices too.
    Source: Collatz 1942 and Wielandt 1950 for the bounds; Noda 1971, Numer. Math. 17, for the iteration.
    """
    if len(block) == 1:
        return float(block[0, 0]), float(block[0, 0])
    x, low, high = np.ones(len(block)), 0.0, np.inf
    for _ in range(STEPS):
        ratio = _rescued(lambda: (block @ x) / x)  # noqa: B023
        if ratio is None:
            break
        below, above = max(low, float(ratio.min())), min(high, float(ratio.max()))
        gained = high - low > above - below
        low, high = min(below, above), above
        if high - low <= 1e-15 * high or not gained:
            break
        following = _rescued(lambda: np.linalg.solve(high * BEYOND * np.eye(len(x)) - block, x))  # noqa: B023
        if following is None:
            break
        x = np.abs(following) / np.abs(following).max()
        for _ in range(len(block)):  # the solver loses the digits of small entries; sums of products restore them
            x = block @ x
            x /= x.max()
    return low, high


def _rescued(compute: Callable[[], np.ndarray]) -> np.ndarray | None:
    """The result, or None if it is not finite or if the matrix is singular to rounding."""
    with np.errstate(all="ignore"):
        try:
            found = compute()
        except np.linalg.LinAlgError:
            return None
    return found if np.isfinite(found).all() else None
