"""Parse regular expressions over symbols: from text to the position automaton of Glushkov (1961).

The syntax is described at `sim.languages.events.regular_expression`.
"""

from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from sim.languages.scanning import MAX_POSITIONS, TIMES, Item, Scanner
from sim.languages.vocabulary import Vocabulary

START = 0
"""The position before the first symbol."""

DEEPEST = 30
"""Largest depth of nested parentheses."""


@dataclass(frozen=True)
class _Part:
    """A part of an expression: whether it matches the empty string, and its first and last positions."""

    empty: bool
    first: frozenset[int]
    last: frozenset[int]


def _repeats(operator: str) -> bool:
    return operator in TIMES or operator.startswith("{")


@dataclass
class Expression:
    """A position automaton: the `symbols` that each position reads (bool[K, V]), its followers, the last positions."""

    symbols: np.ndarray
    follow: list[set[int]]
    last: set[int]


def parse(pattern: str, vocabulary: Vocabulary, place: str) -> Expression:
    """Return the position automaton of a pattern. A mistake raises `SpecificationError` with its position, from 0."""
    return _Parser(Scanner(pattern, vocabulary, place)).expression()


class _Parser:
    """A recursive-descent parser. Alternatives bind weakest, then sequences, then repetitions."""

    def __init__(self, scanner: Scanner) -> None:
        self.scanner, self.items, self.at, self.depth, self.parsed = scanner, scanner.items(), 0, 0, 0
        self.symbols = [np.zeros(len(scanner.vocabulary), bool)]
        self.follow: list[set[int]] = [set()]

    def expression(self) -> Expression:
        whole = self._alternatives()
        if self.at < len(self.items):
            self._refuse("')' needs a '(' before it, found none; write \\) for the symbol")
        self.follow[START] = set(whole.first)
        last = set(whole.last) | ({START} if whole.empty else set())
        return Expression(np.array(self.symbols), self.follow, last)

    def _next(self) -> str | None:
        """The next operator: "" for symbols, None at the end."""
        return self.items[self.at].operator if self.at < len(self.items) else None

    def _refuse(self, problem: str) -> NoReturn:
        self.scanner.refuse(self.items[self.at].position, problem)

    def _alternatives(self) -> _Part:
        part = self._sequence()
        while self._next() == "|":
            self.at += 1
            other = self._sequence()
            part = _Part(part.empty or other.empty, part.first | other.first, part.last | other.last)
        return part

    def _sequence(self) -> _Part:
        part = _Part(True, frozenset(), frozenset())
        while self._next() not in (None, "|", ")"):
            other = self._repeated()
            self._link(part.last, other.first)
            part = _Part(
                part.empty and other.empty,
                part.first | other.first if part.empty else part.first,
                part.last | other.last if other.empty else other.last,
            )
        return part

    def _link(self, last: frozenset[int], first: frozenset[int]) -> None:
        for position in last:
            self.follow[position] |= first

    def _repeated(self) -> _Part:
        start = self.at
        part = self._atom()
        end, item = self.at, self.items[self.at] if self.at < len(self.items) else None
        if item is None or not _repeats(item.operator):
            return part
        part = self._times(item, start, part)
        self.at = end + 1
        if (ahead := self._next()) and _repeats(ahead):
            found = f"found {item.operator}{ahead}; write parentheses, as in (a{item.operator}){ahead}"
            self._refuse(f"one repetition at a time is allowed, {found}")
        return part

    def _times(self, item: Item, start: int, part: _Part) -> _Part:
        """Repeat the `part` that begins at the item `start`. Each copy after the first is parsed again.

        Copies that may be left out are nested, as in a(aa?)?, so a copy follows the one before it and no other. A part
        that may be empty may be left out too: only its copies that are not empty count, and they can come first.
        """
        if item.most == 0:
            return _Part(True, frozenset(), frozenset())
        least, copies = 0 if part.empty else item.least, max(1, item.most or item.least)
        first, last = part.first, part.last
        for number in range(2, copies + 1):
            self.at = start
            copy = self._atom()
            self._link(part.last, copy.first)
            part = copy
            last = part.last if number <= least else last | part.last
        if item.most is None:
            self._link(part.last, part.first)
        return _Part(least == 0, first, last)

    def _atom(self) -> _Part:
        item = self.items[self.at]
        self.parsed += 1
        if self.parsed > MAX_POSITIONS:
            limit = f"at most {MAX_POSITIONS} parts, with every repetition written out"
            self._refuse(f"a pattern of {limit}, is required, found more; simplify it")
        if item.operator == "(":
            return self._group(item)
        if item.operator:
            self._refuse(
                f"something to repeat is required before {item.operator!r}; write \\{item.operator} for the symbol"
            )
        self.at += 1
        position = frozenset([len(self.symbols)])
        self.symbols.append(item.symbols)
        self.follow.append(set())
        return _Part(False, position, position)

    def _group(self, opening: Item) -> _Part:
        self.depth += 1
        if self.depth > DEEPEST:
            self._refuse(f"at most {DEEPEST} parentheses may be nested, found more; simplify the pattern")
        self.at += 1
        part = self._alternatives()
        if self._next() != ")":
            self.scanner.refuse(opening.position, "'(' needs a closing ')', found none; write \\( for the symbol")
        self.at += 1
        self.depth -= 1
        return part
