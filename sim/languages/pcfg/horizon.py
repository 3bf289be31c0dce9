"""The lengths of the strings of a context-free grammar, and the list of its strings up to a horizon."""

import math
from collections.abc import Sequence

import numpy as np

from sim.languages.pcfg.chart import Binary
from sim.languages.pcfg.listing import WIDTH, Listing, TooManyError, tokens_of
from sim.languages.pcfg.rules import Rule, merged
from sim.numerics import log_sum_exp

LONGEST_SEARCH = 1_000
"""The largest horizon that `shortest_horizon` tries [tokens]."""


class Lengths:
    """The law of the number of symbols of a string, exact. It is a chart of the grammar with all symbols made equal.

    All spans of one length are then equal, so one more length n takes time proportional to n. Row n of `_inside` is for
    deriving exactly n symbols, and row n of `_tail` for n or more. Rows hold e^-scale times the true values.
    """

    def __init__(self, rules: Sequence[Rule], num_nonterminals: int, start: int) -> None:
        same = merged((rule.lhs, tuple(1 if symbol > 0 else symbol for symbol in rule.rhs), rule.p) for rule in rules)
        alike = tuple(Rule(lhs, rhs, p) for (lhs, rhs), p in same.items())
        self._form, self._start = Binary.of(alike, num_nonterminals, 2), start
        self._inside, self._tail = _Rows(len(self._form.null)), _Rows(len(self._form.null))
        null = float(self._form.null[start])
        self._log_law, self._log_tail = [math.log(null) if null > 0 else -math.inf], [0.0]

    def _to(self, length: int) -> None:
        while len(self._log_law) <= length:
            one = np.zeros(len(self._form.null))
            one[self._form.num_nonterminals] = len(self._log_law) == 1
            for rows, rest, closed, found in (
                (self._tail, self._tail, self._form.corners, self._log_tail),
                (self._inside, self._inside, self._form.units, self._log_law),
            ):
                joined, scale = self._joined(rest) if rest.number else (one, 0.0)
                rows.add(closed @ joined, scale)
                found.append(rows.log(self._start))

    def _joined(self, rest: "_Rows") -> tuple[np.ndarray, float]:
        """Sum over two non-empty parts, the left one from `_inside` and the right one from `rest`; also its scale."""
        form, n = self._form, rest.number
        left, right = self._inside.rows[:n], rest.rows[n - 1 :: -1] if n else rest.rows[:0]
        scales = self._inside.scales[:n] + rest.scales[n - 1 :: -1]
        top = float(scales.max())
        if top == -math.inf:
            return np.zeros(len(form.null)), top
        pairs = np.einsum("k,kr,kr->r", np.exp(scales - top), left[:, form.left], right[:, form.right])
        return np.bincount(form.lhs, form.p * pairs, len(form.null)), top

    def law(self, number: int) -> np.ndarray:
        """P(|x| = n) for n = 0, 1, ..., `number` - 1: float64[number]."""
        self._to(number)
        return np.exp(np.array(self._log_law[:number]))

    def log_mass_within(self, length: int) -> float:
        """log P(|x| <= `length` - 1 symbols) [nat]; -inf if every string is longer."""
        self._to(length)
        return float(log_sum_exp(np.array(self._log_law[: max(length, 0)])))

    def dropped_mass(self, length: int) -> float:
        """P(|x| >= `length` symbols), the mass that truncation to the horizon drops; exact, however small."""
        self._to(length)
        return math.exp(self._log_tail[max(length, 0)])

    def shortest_horizon(self, dropped: float) -> int | None:
        """The smallest horizon that drops a mass of at most `dropped`; None if it is above 1 000 tokens."""
        return next((n for n in range(1, LONGEST_SEARCH + 1) if self.dropped_mass(n) <= dropped), None)


class _Rows:
    """Rows of non-negative numbers, each with the log of its scale [nat], in growing arrays."""

    def __init__(self, width: int) -> None:
        self.number = 0
        self._rows, self._scales = np.zeros((8, width)), np.zeros(8)

    @property
    def rows(self) -> np.ndarray:
        """float64[number, width]. The largest entry of a row is 1, unless all are 0."""
        return self._rows[: self.number]

    @property
    def scales(self) -> np.ndarray:
        """float64[number]; -inf for a row of zeros."""
        return self._scales[: self.number]

    def add(self, row: np.ndarray, scale: float) -> None:
        """Add the row e^scale times `row`."""
        if self.number == len(self._scales):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._scales = np.concatenate([self._scales, np.zeros_like(self._scales)])
        top = float(row.max())
        if not math.isfinite(top):
            raise ArithmeticError("context-free grammar: the probability of a length is above the range of floats")
        self._rows[self.number] = row / top if top > 0 else 0.0
        self._scales[self.number] = scale + math.log(top) if top > 0 else -math.inf
        self.number += 1

    def log(self, column: int) -> float:
        """log of the true value of an entry of the last row [nat]."""
        value = float(self._rows[self.number - 1, column])
        return float(self._scales[self.number - 1]) + math.log(value) if value > 0 else -math.inf


def strings_within(form: Binary, start: int, length: int, max_strings: int) -> tuple[np.ndarray, np.ndarray]:
    """All strings of at most `length` - 1 symbols, int32[N, L], EOS-padded, and their log probabilities [nat] [N].

    Raises TooManyError if there are more than `max_strings`.
    """
    found: dict[bytes, float] = {}
    if length > 0 and form.null[start] > 0:  # a horizon of 0 tokens has no room for EOS
        found[b""] = float(form.null[start])
    for strings in Listing(form, [start], max(length - 1, 0), max_strings).lengths():
        found |= strings.get(start, {})
        if len(found) > max_strings:
            raise TooManyError
    table = np.zeros((len(found), max((len(string) for string in found), default=0) // WIDTH.itemsize + 1), np.int32)
    for row, string in zip(table, found, strict=True):
        row[: len(string) // WIDTH.itemsize] = tokens_of(string)
    return table, np.log(np.fromiter(found.values(), np.float64, len(found)))
