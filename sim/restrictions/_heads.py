"""The heaviest strings of a language: those of a list, also for each prompt, or those that a search finds."""

import math
from collections.abc import Sequence

import numpy as np

from sim.config import Check
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.likeliest import Found, likeliest
from sim.numerics import SpecificationError

Mass = Check("a number above 0 and at most 1", lambda value: 0 < value <= 1)

MOST_SOUGHT = 5_000
"""Largest number of strings that are searched for in a language that is not listed."""

MASS_TIE = 1e-12
"""A sum of probabilities that misses a wanted mass by at most this counts as reaching it, because of rounding."""


def check_size(count: int | None, mass: float | None) -> None:
    """Raise `SpecificationError` unless exactly one of `count` and `mass` is given."""
    if (count is None) == (mass is None):
        found = "neither" if count is None else "both"
        raise SpecificationError(
            f"restriction: exactly one of count and mass is required, found {found}; "
            "give one and set the other to null, as in restriction.mass=null"
        )


def beginning(order: np.ndarray, p: np.ndarray, count: int | None, mass: float | None) -> np.ndarray:
    """The first entries of an order: `count` of them, or as few as hold a share `mass` of their total."""
    if count is not None:
        return order[:count]
    assert mass is not None
    reached = np.cumsum(p[order])
    return order[: int(np.searchsorted(reached, mass * reached[-1] - MASS_TIE)) + 1]


def heavy(p: FiniteLanguage, count: int | None, mass: float | None, by_prompt: bool) -> np.ndarray:
    """The heaviest documents, or the heaviest answers to each prompt: bool[N]. Ties follow the order of the trie."""
    values = np.exp(p.answers if by_prompt else p.log_p)
    groups = p.prompts.group if by_prompt else np.zeros(len(values), np.int64)
    event = np.zeros(len(values), bool)
    for group in range(int(groups.max()) + 1):
        rows = np.flatnonzero((groups == group) & (p.log_p > -np.inf))
        if len(rows):
            order = rows[np.argsort(-values[rows], kind="stable")]
            event[beginning(order, values, count, mass)] = True
    return event


def searched(p: ExactLanguage, count: int | None, mass: float | None, place: str) -> Sequence[Found]:
    """The heaviest strings of a language that is not listed, as tokens with log P [nat], the heaviest first.

    Raises `SpecificationError` if more than 5 000 would be needed, or if they are not proved to be the heaviest.
    """
    size = min(count or 64, MOST_SOUGHT)
    while True:
        found = likeliest(p, size)
        if not found.proved:
            raise SpecificationError(
                f"{place}: the {size} likeliest strings must be certain, found only candidates, because the grammar "
                "is not proved to be unambiguous; list its strings with a length (tier A)"
            )
        total = np.cumsum([math.exp(log_p) for _, log_p in found.strings])
        if count is not None and (len(found.strings) >= count or len(found.strings) < size):
            return found.strings[:count]
        if mass is not None and len(total) and total[-1] >= mass - MASS_TIE:
            return found.strings[: int(np.searchsorted(total, mass - MASS_TIE)) + 1]
        if size == MOST_SOUGHT or len(found.strings) < size:
            raise SpecificationError(
                f"{place}: a head of at most {MOST_SOUGHT} strings is required in a language that is not listed, found "
                f"that they hold {total[-1] if len(total) else 0.0:.3g} of the mass; ask for less, or list its strings"
            )
        size = min(2 * size, MOST_SOUGHT)
