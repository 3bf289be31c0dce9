"""Cut a pattern over symbols into items: operators, and the sets of symbols that may stand at one place."""

import re
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError, nearest

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

MAX_POSITIONS = 2_000
"""Largest number of parts of a pattern after each counted repetition is written out."""


@dataclass(frozen=True)
class Item:
    """One element of a pattern: an operator, or the set of symbols that may stand at one place (bool[V]).

    A repetition also has its smallest and its largest number of times; without a largest one it is None.
    """

    position: int
    operator: str = ""
    symbols: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    least: int = 0
    most: int | None = None


class Scanner:
    """Cut a pattern into items."""

    def __init__(self, pattern: str, vocabulary: Vocabulary, place: str) -> None:
        self.pattern, self.vocabulary, self.place = pattern, vocabulary, place
        self.spaced = vocabulary.spaced
        self.words = vocabulary.joiner != "" or vocabulary.compact

    def refuse(self, position: int, problem: str) -> NoReturn:
        """Raise `SpecificationError` with the place, the position from 0 and the problem."""
        raise SpecificationError(f"{self.place}: position {position} of {self.pattern!r}: {problem}")

    def items(self) -> list[Item]:
        """The items in order."""
        items, at = [], 0
        while at < len(self.pattern):
            character = self.pattern[at]
            if self.spaced and character.isspace():
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
                items.append(Item(at, symbols=self._any()))
                at += 1
            elif character in OPERATORS:
                least, most = TIMES.get(character, (0, None))
                items.append(Item(at, character, least=least, most=most))
                at += 1
            else:
                tokens, end = self._symbols(at, OPERATORS)
                items += [Item(at, symbols=np.arange(len(self.vocabulary)) == token) for token in tokens]
                at = end
        return items

    def _counted(self, at: int, found: re.Match[str]) -> Item:
        """The repetition {m}, {m,} or {m,n}."""
        if max(len(found[1]), len(found[3] or "")) > len(str(MAX_POSITIONS)):
            self.refuse(at, f"repetitions of at most {MAX_POSITIONS} are allowed, found more; simplify the pattern")
        least = int(found[1])
        most = least if found[2] is None else int(found[3]) if found[3] else None
        if most is not None and most < least:
            self.refuse(at, f"{{m,n}} with m at most n is required, found {found[0]}; exchange the two")
        return Item(at, found[0], least=least, most=most)

    def _any(self) -> np.ndarray:
        return np.arange(len(self.vocabulary)) != EOS

    def _class(self, start: int) -> tuple[Item, int]:
        at, chosen = start + 1, np.zeros(len(self.vocabulary), bool)
        negated = self.pattern.startswith("^", at)
        at += negated
        while at < len(self.pattern) and self.pattern[at] != "]":
            if self.spaced and self.pattern[at].isspace():
                at += 1
                continue
            tokens, at = self._symbols(at, "]")
            chosen[tokens] = True
        if at >= len(self.pattern):
            self.refuse(start, "'[' needs a closing ']', found none; write \\[ for the symbol")
        if not chosen.any():
            self.refuse(start, "at least one symbol is required between '[' and ']', found none; '.' is any symbol")
        return Item(start, symbols=self._any() & ~chosen if negated else chosen), at + 1

    def _symbols(self, start: int, ends: str) -> tuple[list[int], int]:
        """The tokens of the word that starts here, and where it ends: at white space, or at one of `ends`."""
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
            elif character in ends or (self.spaced and character.isspace()):
                break
            elif at > start and ends == OPERATORS and COUNTED.match(self.pattern, at):
                break
            else:
                name += character
                at += 1
        return self._tokens(name, start), at

    def _quoted(self, start: int) -> tuple[list[int], int]:
        name, at = "", start + 1
        while at < len(self.pattern) and self.pattern[at] != self.pattern[start]:
            at += self.pattern[at] == "\\"
            name += self.pattern[at : at + 1]
            at += 1
        if at >= len(self.pattern):
            quote = self.pattern[start]
            self.refuse(start, f"a quoted symbol needs a closing {quote}, found none; write \\{quote} for the symbol")
        return [self._token(name, start)], at + 1

    def _tokens(self, name: str, position: int) -> list[int]:
        try:
            names = self.vocabulary.cut(name) if self.vocabulary.compact else [name]
        except SpecificationError as problem:
            self.refuse(position, f"symbols of the language are required: {problem}")
        return [self._token(one, position) for one in names]

    def _token(self, name: str, position: int) -> int:
        symbols = self.vocabulary.symbols[EOS + 1 :]
        if name not in symbols:
            if name == self.vocabulary.symbols[EOS]:
                self.refuse(position, f"a symbol is required, found the end-of-string name {name!r}; leave it out")
            hint = nearest(name, symbols) or HINTS.get(name[:1], "")
            self.refuse(position, f"a symbol of the language is required, found {name!r}{hint}")
        return self.vocabulary.index(name)
