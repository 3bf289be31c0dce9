"""Parse regular expressions over symbols: from text to the position automaton of Glushkov (1961).

The syntax is described at `sim.languages.events.regular_expression`.
"""

import re
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError, nearest

START = 0
"""The position before the first symbol."""

OPERATORS = "|*+?()[]."
QUOTES = "\"'"
TIMES: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
"""The smallest and the largest number of times of each repetition; None is any number."""

COUNTED = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")
"""A counted repetition: {m}, {m,} or {m,n}. Any other brace is an ordinary character."""

HINTS = {
    " ": "; symbols are written without spaces here",
    "{": "; a repetition is written {2}, {2,} or {2,5}",
}
"""What helps if no symbol begins with such a character."""

DEEPEST = 30
"""Largest depth of nested parentheses."""

MAX_POSITIONS = 2_000
"""Largest number of parts of a pattern after each counted repetition is written out."""


@dataclass(frozen=True)
class _Item:
    """One element of a pattern: an operator, or the set of symbols that may stand at one place (bool[V]).

    A repetition also has its smallest and its largest number of times; without a largest one it is None.
    """

    position: int
    operator: str = ""
    symbols: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    least: int = 0
    most: int | None = None


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
            elif counted := COUNTED.match(self.pattern, at):
                items.append(self._counted(at, counted))
                at = counted.end()
            elif character == ".":
                items.append(_Item(at, symbols=self._any()))
                at += 1
            elif character in OPERATORS:
                least, most = TIMES.get(character, (0, None))
                items.append(_Item(at, character, least=least, most=most))
                at += 1
            else:
                token, end = self._symbol(at, OPERATORS)
                items.append(_Item(at, symbols=np.arange(len(self.vocabulary)) == token))
                at = end
        return items

    def _counted(self, at: int, found: re.Match[str]) -> _Item:
        """The repetition {m}, {m,} or {m,n}."""
        if max(len(found[1]), len(found[3] or "")) > len(str(MAX_POSITIONS)):
            self.refuse(at, f"repetitions of at most {MAX_POSITIONS} are allowed, found more; simplify the pattern")
        least = int(found[1])
        most = least if found[2] is None else int(found[3]) if found[3] else None
        if most is not None and most < least:
            self.refuse(at, f"{{m,n}} with m at most n is required, found {found[0]}; exchange the two")
        return _Item(at, found[0], least=least, most=most)

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
            elif at > start and ends == OPERATORS and COUNTED.match(self.pattern, at):
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
            hint = nearest(name, symbols) or HINTS.get(name[:1], "")
            self.refuse(position, f"a symbol of the language is required, found {name!r}{hint}")
        return self.vocabulary.index(name)


class _Parser:
    """A recursive-descent parser. Alternatives bind weakest, then sequences, then repetitions."""

    def __init__(self, scanner: _Scanner) -> None:
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

    def _times(self, item: _Item, start: int, part: _Part) -> _Part:
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
