"""Draw many strings at once from a grammar without recursion."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

import numpy as np

from sim.languages.alias import alias_table
from sim.languages.pcfg.rules import Symbol
from sim.laws._order import Order

MOST_PHRASES, MOST_SYMBOLS = 1 << 13, 1 << 20
"""A non-terminal has at most so many phrases, of so many symbols together, unless it has more rules."""

FEW = 128
"""A non-terminal with more whole derivations is drawn by itself, and is not a part of larger phrases."""

BLOCK = 512
"""Number of strings that are drawn at once. More fall out of the caches."""

MOST_KEPT = 1 << 20
"""So many whole numbers are kept between two blocks (8 MB)."""

Phrase = tuple[float, tuple[Symbol, ...]]
"""The probability of a part of a derivation, and the symbols that it derives."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """Tables for drawing: all non-terminals of all strings are replaced at once, until none is left.

    A *phrase* of a non-terminal is a derivation of it down to some level: the rules of several levels are drawn in one
    step, as long as their products are few. The phrases lie in the order of their non-terminals. Phrase
    `first + floor(u count)` is kept with the probability `keep`, else its `alias` is taken (Walker's method).
    """

    order: Order
    _kept: list[np.ndarray] = field(default_factory=lambda: [np.arange(0)], init=False, repr=False)

    @cached_property
    def _phrases(self) -> list[list[Phrase]]:
        """The phrases of every non-terminal."""
        grammar = self.order.grammar
        found: list[list[Phrase]] = [[] for _ in grammar.nonterminals]
        parts: dict[Symbol, list[Phrase]] = {s: [(1.0, (s,))] for s in range(1, len(grammar.vocabulary))}
        for head in self.order.bottom_up:
            rules = [(math.exp(grammar.log_p[number]), rhs) for number, rhs in self.order.rules[head]]
            few = _few(rules, parts)
            found[head] = _expanded(rules, parts) if few else rules
            whole = few and all(symbol > 0 for _, side in found[head] for symbol in side)
            alone = not few or (whole and len(found[head]) > FEW)
            parts[~head] = [(1.0, (~head,))] if alone else found[head]
        return found

    @cached_property
    def _sides(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The symbols of all phrases one after the other, where each begins, and how many it has.

        Behind the phrases of the non-terminals, every token has one that is itself; that of EOS is not used.
        """
        sides = [side for own in self._phrases for _, side in own]
        sides += [(token,) for token in range(len(self.order.grammar.vocabulary))]
        size = np.array([len(side) for side in sides])
        symbols = np.array([symbol for side in sides for symbol in side], np.int64)
        symbols = symbols.astype(np.int16 if abs(symbols).max(initial=0) < 1 << 15 else np.int32)  # less memory
        return symbols, np.cumsum(size) - size, size

    @cached_property
    def _nested(self) -> np.ndarray:
        """Whether each phrase has non-terminals: bool."""
        symbols, begin, size = self._sides
        negative = np.concatenate([[0], np.cumsum(symbols < 0)])
        return np.asarray(negative[begin + size] > negative[begin])

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The first phrase and the number of phrases of every non-terminal; `keep` and `alias` of every phrase."""
        tables = [alias_table(np.array([p for p, _ in own])) for own in self._phrases]
        count = np.array([len(keep) for keep, _ in tables])
        first = np.cumsum(count) - count
        alias = np.concatenate([start + own for start, (_, own) in zip(first, tables, strict=True)])
        return first, count.astype(np.float64), np.concatenate([keep for keep, _ in tables]), alias

    def strings(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Draw strings: int32[number, T], each with at least one EOS at its end."""
        blocks = [self._block(rng, min(BLOCK, number - begin)) for begin in range(0, number, BLOCK)]
        longest = max((int(lengths.max()) for _, lengths in blocks), default=0)
        kind: type[np.signedinteger] = np.int16 if longest < 1 << 15 else np.int64  # short ones are compared faster
        rows, places = np.zeros((number, longest + 1), np.int32), np.arange(longest + 1, dtype=kind)
        for at, (tokens, lengths) in enumerate(blocks):
            rows[at * BLOCK :][: len(lengths)][places < lengths.astype(kind)[:, None]] = tokens
        return rows

    def _block(self, rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Strings one after the other, and the length of each. Indices are int64, which numpy need not convert."""
        symbol = np.full(number, ~self.order.grammar.start)
        edge = np.arange(number + 1)  # where the strings begin, and the end
        symbols, begin, size = self._sides
        tokens, inner = len(size) - len(self.order.grammar.vocabulary), np.arange(number)
        while len(inner):
            phrase = symbol.astype(np.int64) + tokens
            phrase[inner] = self._drawn(~symbol[inner], rng)
            parts = _at(size, phrase)
            ends = np.concatenate([[0], np.cumsum(parts)])
            edge = _at(ends, edge)
            source = np.repeat(_at(begin, phrase) - ends[:-1], parts)
            source += self._counted(len(source))
            symbol = _at(symbols, source)
            inner = np.flatnonzero(symbol < 0) if _at(self._nested, phrase).any() else inner[:0]
        return symbol, np.diff(edge)

    def _counted(self, number: int) -> np.ndarray:
        """0, 1, ... below a number: int64. They are kept, because new memory for a block takes longer than the sum."""
        if number > MOST_KEPT:
            return np.arange(number)
        if len(self._kept[0]) < number:
            self._kept[0] = np.arange(min(number + number // 8, MOST_KEPT))
        return self._kept[0][:number]

    def _drawn(self, head: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A random phrase for each of the given non-terminals, by its number."""
        first, count, keep, alias = self._table
        head = head.astype(np.int64)
        place = rng.random(len(head)) * _at(count, head)
        whole = place.astype(np.int64)
        phrase = _at(first, head) + whole
        return np.where(place - whole < _at(keep, phrase), phrase, _at(alias, phrase))


def _at(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    """`table[index]` for an index int64 within the table. Nothing is clipped; the mode saves a check of the bounds."""
    return table.take(index, mode="clip")


def _few(rules: list[Phrase], parts: dict[Symbol, list[Phrase]]) -> bool:
    """Whether the rules have few enough phrases, if their symbols are replaced by the given parts."""
    counts = [math.prod(len(parts[symbol]) for symbol in rhs) for _, rhs in rules]
    longest = [sum(max(len(side) for _, side in parts[symbol]) for symbol in rhs) for _, rhs in rules]
    return (
        sum(counts) <= MOST_PHRASES and sum(n * size for n, size in zip(counts, longest, strict=True)) <= MOST_SYMBOLS
    )


def _expanded(rules: list[Phrase], parts: dict[Symbol, list[Phrase]]) -> list[Phrase]:
    found = []
    for p, rhs in rules:
        for chosen in product(*(parts[symbol] for symbol in rhs)):
            side = tuple(symbol for _, part in chosen for symbol in part)
            found.append((p * math.prod(one for one, _ in chosen), side))
    return found
