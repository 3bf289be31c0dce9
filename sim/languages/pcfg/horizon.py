"""Lengths of the strings of a context-free grammar, and its strings listed up to a horizon."""

import math
from collections.abc import Sequence

import numpy as np

from sim.languages.pcfg.chart import Binary, Chart
from sim.languages.pcfg.listing import Listing, TooManyError, tokens_of
from sim.languages.pcfg.rules import Rule, merged
from sim.numerics import log_sum_exp

LONGEST_SEARCH = 1_000
"""Horizon up to which `shortest_horizon` searches [tokens]."""


class Lengths:
    """The law of the number of symbols of a string, exact: charts of 0, 1, 2, ... symbols that are all the same."""

    def __init__(self, rules: Sequence[Rule], num_nonterminals: int, start: int) -> None:
        same = merged((rule.lhs, tuple(1 if symbol > 0 else symbol for symbol in rule.rhs), rule.p) for rule in rules)
        alike = tuple(Rule(lhs, rhs, p) for (lhs, rhs), p in same.items())
        self._chart = Chart(Binary.of(alike, num_nonterminals, 2), start)
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


def strings_within(form: Binary, start: int, length: int, max_strings: int) -> tuple[np.ndarray, np.ndarray]:
    """All strings of at most `length` - 1 symbols, int32[N, L], EOS-padded, and log of their probability [nat] [N].

    Raises TooManyError for more than `max_strings`.
    """
    found: dict[bytes, float] = {}
    if form.null[start] > 0:
        found[b""] = float(form.null[start])
    for strings in Listing(form, [start], length - 1, max_strings).lengths():
        found |= strings.get(start, {})
        if len(found) > max_strings:
            raise TooManyError
    table = np.zeros((len(found), max((len(string) for string in found), default=0) // 2 + 1), np.int32)
    for row, string in zip(table, found, strict=True):
        row[: len(string) // 2] = tokens_of(string)
    return table, np.log(np.fromiter(found.values(), np.float64, len(found)))
