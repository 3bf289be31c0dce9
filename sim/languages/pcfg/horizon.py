"""Lengths of the strings of a context-free grammar, and its strings listed up to a horizon."""

import math
from collections.abc import Sequence

import numpy as np

from sim.languages.finite import SUM_TOLERANCE, FiniteLanguage
from sim.languages.pcfg.chart import Binary, Chart
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.listing import Listing, TooManyError, tokens_of
from sim.languages.pcfg.rules import Rule, merged
from sim.numerics import SpecificationError, log_sum_exp

LONGEST_SEARCH = 1_000
"""Horizon up to which `shortest_horizon` searches [tokens]."""


def _unary(rules: Sequence[Rule], num_nonterminals: int) -> Binary:
    """The grammar with all terminals made one, so that a string is its length."""
    same = merged((rule.lhs, tuple(1 if symbol > 0 else symbol for symbol in rule.rhs), rule.p) for rule in rules)
    return Binary.of(tuple(Rule(lhs, rhs, p) for (lhs, rhs), p in same.items()), num_nonterminals, 2)


class Lengths:
    """The law of the number of symbols of a string, exact: charts of 0, 1, 2, ... symbols that are all the same."""

    def __init__(self, grammar: ContextFree) -> None:
        self._chart = Chart(_unary(grammar.rules, len(grammar.nonterminals)), grammar.start)
        self._log_law, self._log_tail = [self._chart.log_inside], [self._chart.log_prefix]

    def _to(self, length: int) -> None:
        while len(self._log_law) <= length:
            self._chart.extend(1)
            self._log_law.append(self._chart.log_inside)
            self._log_tail.append(self._chart.log_prefix)

    def law(self, number: int) -> np.ndarray:
        """P(|x| = n) for n = 0, 1, ..., `number` - 1: float64[number]."""
        self._to(number)
        return np.exp(np.array(self._log_law[:number]))

    def log_mass_within(self, length: int) -> float:
        """log P(|x| <= `length` - 1 symbols) [nat]; -inf if every string is longer."""
        self._to(length)
        return float(log_sum_exp(np.array(self._log_law[:length])))

    def dropped_mass(self, length: int) -> float:
        """P(|x| >= `length` symbols), what truncation to the horizon drops; exact, however small."""
        self._to(length)
        return math.exp(self._log_tail[length])

    def shortest_horizon(self, dropped: float) -> int | None:
        """Smallest horizon whose dropped mass is at most `dropped`; None if it lies beyond 1 000 tokens."""
        return next((n for n in range(1, LONGEST_SEARCH + 1) if self.dropped_mass(n) <= dropped), None)


def enumerated(
    grammar: ContextFree, length: int, max_strings: int, place: str = "grammar"
) -> tuple[FiniteLanguage, float]:
    """P(. | |x| <= `length` - 1 symbols), renormalised exactly, and the mass that was dropped.

    Strings, each with the sum over its derivations. Never cut silently: raises `SpecificationError` that names `place`
    for more than `max_strings` strings, and if none is so short. The sum is checked against the law of the lengths.
    """
    lengths = Lengths(grammar)
    start = grammar.start
    found: dict[bytes, float] = {}
    if grammar.binary.null[start] > 0:
        found[b""] = float(grammar.binary.null[start])
    try:
        for n, strings in enumerate(Listing(grammar.binary, [start], length - 1, max_strings).lengths(), start=1):
            found |= strings.get(start, {})
            if len(found) > max_strings:
                raise TooManyError(n)
    except TooManyError:
        raise SpecificationError(
            f"{place}: at most max_strings = {max_strings} strings may be enumerated, found more within length "
            f"{length}; raise max_strings or lower length"
        ) from None
    if not found:
        shortest = len(grammar.shape.shortest[start]) + 1
        raise SpecificationError(
            f"{place}: length must be at least {shortest}, the shortest string and its end, found {length}"
        )
    log_p = np.log(np.fromiter(found.values(), np.float64, len(found)))
    total, log_mass = float(log_sum_exp(log_p)), lengths.log_mass_within(length)
    if abs(total - log_mass) > SUM_TOLERANCE:
        raise ArithmeticError(f"{place}: the listed mass is e^{total!r}, the law of lengths says e^{log_mass!r}")
    table = np.zeros((len(found), max(len(string) for string in found) // 2 + 1), np.int32)
    for row, string in zip(table, found, strict=True):
        row[: len(string) // 2] = tokens_of(string)
    return FiniteLanguage.from_strings(grammar.vocabulary, table, log_p - total), lengths.dropped_mass(length)
