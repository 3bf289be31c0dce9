"""Parse regular expressions over symbols: from text to the position automaton of Glushkov (1961).

The syntax is described at `sim.languages.events.regular_expression`.
"""

from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError, nearest

START = 0
"""The position before the first symbol."""

OPERATORS = "|*+?()[]."
QUOTES = "\"'"
DEEPEST = 30
"""Largest depth of nested parentheses."""


@dataclass(frozen=True)
class _Item:
    """One element of a pattern: an operator, or the set of symbols that may stand at one place (bool[V])."""

    position: int
    operator: str = ""
    symbols: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))


@dataclass(frozen=True)
class _Part:
    """A part of an expression: whether it matches the empty string, and its first and last positions."""

    empty: bool
    first: frozenset[int]
    last: frozenset[int]


@dataclass
class Expression:
    """A position automaton: the `symbols` that each position reads (bool[K, V]), its followers, the last positions."""

    symbols: np.ndarray
    follow: list[set[int]]
    last: set[int]


def parse(pattern: str, vocabulary: Vocabulary, place: str) -> Expression:
    """Return the position automaton of a pattern. A mistake raises `SpecificationError` with its position, from 0."""
    return _Parser(_Scanner(pattern, vocabulary, place)).expression()


class _Scanner:
    """Cut a pattern into items."""

    def __init__(self, pattern: str, vocabulary: Vocabulary, place: str) -> None:
        self.pattern, self.vocabulary, self.place = pattern, vocabulary, place
        self.words = vocabulary.joiner != ""

    def refuse(self, position: int, problem: str) -> NoReturn:
        raise SpecificationError(f"{self.place}: position {position} of {self.pattern!r}: {problem}")

    def items(self) -> list[_Item]:
        items, at = [], 0
        while at < len(self.pattern):
            character = self.pattern[at]
            if self.words and character.isspace():
                at += 1
            elif character == "[":
                item, at = self._class(at)
                items.append(item)
            elif character == "]":
                self.refuse(at, "']' needs a '[' before it, found none; write \\] for the symbol")
            elif character == ".":
                items.append(_Item(at, symbols=self._any()))
                at += 1
            elif character in OPERATORS:
                items.append(_Item(at, character))
                at += 1
            else:
                token, end = self._symbol(at, OPERATORS)
                items.append(_Item(at, symbols=np.arange(len(self.vocabulary)) == token))
                at = end
        return items

    def _any(self) -> np.ndarray:
        return np.arange(len(self.vocabulary)) != EOS

    def _class(self, start: int) -> tuple[_Item, int]:
        at, chosen = start + 1, np.zeros(len(self.vocabulary), bool)
        negated = self.pattern.startswith("^", at)
        at += negated
        while at < len(self.pattern) and self.pattern[at] != "]":
            if self.words and self.pattern[at].isspace():
                at += 1
                continue
            token, at = self._symbol(at, "]")
            chosen[token] = True
        if at >= len(self.pattern):
            self.refuse(start, "'[' needs a closing ']', found none; write \\[ for the symbol")
        if not chosen.any():
            self.refuse(start, "at least one symbol is required between '[' and ']', found none; '.' is any symbol")
        return _Item(start, symbols=self._any() & ~chosen if negated else chosen), at + 1

    def _symbol(self, start: int, ends: str) -> tuple[int, int]:
        """The token of the symbol that starts here, and where it ends. White space or one of `ends` ends a word."""
        if self.pattern[start] in QUOTES:
            return self._quoted(start)
        name, at = "", start
        while at < len(self.pattern) and (at == start or self.words):
            character = self.pattern[at]
            if character == "\\":
                if at + 1 == len(self.pattern):
                    self.refuse(at, "a backslash needs a character after it, found the end; write \\\\ for the symbol")
                name += self.pattern[at + 1]
                at += 2
            elif character in ends or (self.words and character.isspace()):
                break
            else:
                name += character
                at += 1
        return self._token(name, start), at

    def _quoted(self, start: int) -> tuple[int, int]:
        name, at = "", start + 1
        while at < len(self.pattern) and self.pattern[at] != self.pattern[start]:
            at += self.pattern[at] == "\\"
            name += self.pattern[at : at + 1]
            at += 1
        if at >= len(self.pattern):
            quote = self.pattern[start]
            self.refuse(start, f"a quoted symbol needs a closing {quote}, found none; write \\{quote} for the symbol")
        return self._token(name, start), at + 1

    def _token(self, name: str, position: int) -> int:
        symbols = self.vocabulary.symbols[EOS + 1 :]
        if name not in symbols:
            if name == self.vocabulary.symbols[EOS]:
                self.refuse(position, f"a symbol is required, found the end-of-string name {name!r}; leave it out")
            hint = nearest(name, symbols) or ("; symbols are written without spaces here" if name == " " else "")
            self.refuse(position, f"a symbol of the language is required, found {name!r}{hint}")
        return self.vocabulary.index(name)


class _Parser:
    """A recursive-descent parser. Alternatives bind weakest, then sequences, then repetitions."""

    def __init__(self, scanner: _Scanner) -> None:
        self.scanner, self.items, self.at, self.depth = scanner, scanner.items(), 0, 0
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
        part = self._atom()
        operator = self._next()
        if operator is None or operator not in "*+?" or operator == "":
            return part
        self.at += 1
        if operator != "?":
            self._link(part.last, part.first)
        ahead = self._next()
        if ahead and ahead in "*+?":
            self._refuse(
                f"one repetition at a time is allowed, found {operator}{ahead}; write parentheses, as in "
                f"(a{operator}){ahead}"
            )
        return _Part(part.empty or operator != "+", part.first, part.last)

    def _atom(self) -> _Part:
        item = self.items[self.at]
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

    def _group(self, opening: _Item) -> _Part:
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
