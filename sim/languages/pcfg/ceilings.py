"""Upper bounds of the probability of any string of a given length, for a finite language of a context-free grammar.

An ambiguous grammar adds up the derivations of a string, so its likeliest derivation bounds nothing. Here the sum over
the cuts of a string is bounded by a sum over their lengths: P(A => w) <= sum_r p_r sum_k C_B[k] C_C[n - k], if |w| = n.
Non-terminals with few strings are listed, and their ceilings are exact.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule, by_lhs

MOST_LISTED = 2_000
"""Largest number of strings of a non-terminal that are listed."""

MOST_WORK = 4 * 10**8
"""Largest squared length of the longest string times the number of rules."""

TINY = 1e-300
"""It is added to every ceiling, so that none underflows to 0."""

MARGIN = 1 + 1e-9
"""A factor that exceeds all rounding errors."""


@lru_cache(maxsize=8)
def ceilings(grammar: ContextFree) -> np.ndarray | None:
    """C[n], an upper bound of P(x) for every string x of n symbols: float64[longest + 1]; 0 if there is none.

    The result is None if some non-terminal derives a sentential form with itself, or if the strings are too long.
    """
    shape = grammar.shape
    if shape.recursive or shape.longest**2 * len(shape.rules) > MOST_WORK:
        return None
    own = by_lhs(shape.rules, shape.num_nonterminals)
    found: list[np.ndarray] = [np.zeros(0)] * shape.num_nonterminals
    listed: list[dict[tuple[int, ...], float] | None] = [None] * shape.num_nonterminals
    for (head,) in shape.order:
        listed[head] = strings = _listed(own[head], listed)
        if strings is not None:
            found[head] = np.zeros(1 + max(map(len, strings)))
            for string, p in strings.items():
                found[head][len(string)] = max(found[head][len(string)], p)
            continue
        parts = [_joined(rule, found) for rule in own[head]]
        found[head] = np.zeros(max(map(len, parts)))
        for part in parts:
            found[head][: len(part)] += part
        found[head] = np.minimum(np.where(found[head] > 0, found[head] + TINY, 0.0), 1.0)
    return found[grammar.start] * MARGIN


def _listed(
    own: Sequence[Rule], listed: Sequence[dict[tuple[int, ...], float] | None]
) -> dict[tuple[int, ...], float] | None:
    """The strings of a non-terminal with their probabilities; None if there are too many."""
    found: dict[tuple[int, ...], float] = {}
    for rule in own:
        strings: dict[tuple[int, ...], float] = {(): float(rule.p)}
        for symbol in rule.rhs:
            other = {(symbol,): 1.0} if symbol > 0 else listed[~symbol]
            if other is None or len(strings) * len(other) > MOST_LISTED:
                return None
            longer: dict[tuple[int, ...], float] = {}
            for x, u in strings.items():
                for y, v in other.items():
                    longer[x + y] = longer.get(x + y, 0.0) + u * v
            strings = longer
        for x, u in strings.items():
            found[x] = found.get(x, 0.0) + u
        if len(found) > MOST_LISTED:
            return None
    return found


def _joined(rule: Rule, found: Sequence[np.ndarray]) -> np.ndarray:
    """p times the convolution of the ceilings of the parts of a rule. What underflows becomes `TINY`."""
    total = np.array([float(rule.p)])
    for symbol in rule.rhs:
        part = found[~symbol] if symbol < 0 else np.array([0.0, 1.0])
        possible = np.convolve((total > 0).astype(float), (part > 0).astype(float)) > 0.5
        total = np.where(possible, np.maximum(np.convolve(total, part), TINY), 0.0)
    return total
