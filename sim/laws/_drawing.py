"""Draw many strings at once from a grammar without recursion."""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from sim.languages.alias import alias_table
from sim.languages.pcfg.rules import Symbol
from sim.laws._order import Order

MOST_PHRASES, MOST_TOKENS = 1 << 13, 1 << 20
"""A non-terminal with at most so many derivations, of so many tokens together, is drawn as a whole."""

BLOCK = 512
"""Number of strings that are drawn at once. More fall out of the caches."""

Phrase = tuple[float, tuple[Symbol, ...]]
"""A derivation of a non-terminal, or one rule of it: its probability and what it derives."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """Tables for drawing: all non-terminals of all strings are replaced at once, until none is left.

    A *phrase* of a non-terminal is one of its derivations, if there are few of them, and else one of its rules. So the
    lower levels are drawn in one step. The phrases lie in the order of their non-terminals. Phrase
    `first + floor(u count)` is kept with the probability `keep`, else its `alias` is taken (Walker's method).
    """

    order: Order

    @cached_property
    def _phrases(self) -> list[list[Phrase]]:
        """The phrases of every non-terminal."""
        grammar = self.order.grammar
        found: list[list[Phrase]] = [[] for _ in grammar.nonterminals]
        whole: dict[Symbol, list[Phrase]] = {symbol: [(1.0, (symbol,))] for symbol in range(1, len(grammar.vocabulary))}
        for head in self.order.bottom_up:
            rules = [(math.exp(grammar.log_p[number]), rhs) for number, rhs in self.order.rules[head]]
            if all(symbol in whole for _, rhs in rules for symbol in rhs) and self._few(rules, whole):
                whole[~head] = [_joined(p, parts) for p, rhs in rules for parts in product(*(whole[s] for s in rhs))]
            found[head] = whole.get(~head, rules)
        return found

    def _few(self, rules: list[Phrase], whole: dict[Symbol, list[Phrase]]) -> bool:
        counts = [math.prod(len(whole[symbol]) for symbol in rhs) for _, rhs in rules]
        longest = [sum(max(len(tokens) for _, tokens in whole[symbol]) for symbol in rhs) for _, rhs in rules]
        return (
            sum(counts) <= MOST_PHRASES
            and sum(n * size for n, size in zip(counts, longest, strict=True)) <= MOST_TOKENS
        )

    @cached_property
    def _sides(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The symbols of all phrases one after the other, where each begins, and how many it has.

        Behind the phrases of the non-terminals, every token has one that is itself; that of EOS is not used.
        """
        sides = [side for own in self._phrases for _, side in own]
        sides += [(token,) for token in range(len(self.order.grammar.vocabulary))]
        size = np.array([len(side) for side in sides], np.int32)
        symbols = np.array([symbol for side in sides for symbol in side], np.int32)
        return symbols, np.cumsum(size, dtype=np.int32) - size, size

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The first phrase and the number of phrases of every non-terminal; `keep` and `alias` of every phrase."""
        tables = [alias_table(np.array([p for p, _ in own])) for own in self._phrases]
        count = np.array([len(keep) for keep, _ in tables])
        first = np.cumsum(count) - count
        alias = np.concatenate([start + own for start, (_, own) in zip(first, tables, strict=True)])
        return first, count, np.concatenate([keep for keep, _ in tables]), alias

    def strings(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Draw strings: int32[number, T], each with at least one EOS at its end."""
        blocks = [self._block(rng, min(BLOCK, number - begin)) for begin in range(0, number, BLOCK)]
        longest = max((int(lengths.max()) for _, lengths in blocks), default=0)
        rows = np.zeros((number, longest + 1), np.int32)
        for at, (tokens, lengths) in enumerate(blocks):
            rows[at * BLOCK :][: len(lengths)][np.arange(longest + 1) < lengths[:, None]] = tokens
        return rows

    def _block(self, rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Strings one after the other, and the length of each."""
        symbol = np.full(number, ~self.order.grammar.start, np.int32)
        edge = np.arange(number + 1)  # where the strings begin, and the end
        symbols, begin, size = self._sides
        tokens, inner = len(size) - len(self.order.grammar.vocabulary), np.arange(number)
        while len(inner):
            phrase = symbol + tokens
            phrase[inner] = self._drawn(~symbol[inner], rng)
            parts = size[phrase]
            ends = np.cumsum(parts, dtype=np.int32)
            edge = np.concatenate([[0], ends])[edge]
            source = np.repeat(begin[phrase] - (ends - parts), parts)
            source += np.arange(len(source), dtype=np.int32)
            symbol = symbols.take(source, mode="clip")  # nothing is clipped; it saves a check of the bounds
            inner = np.flatnonzero(symbol < 0) if self._nested[phrase].any() else inner[:0]
        return symbol, np.diff(edge)

    @cached_property
    def _nested(self) -> np.ndarray:
        """Whether each phrase has non-terminals: bool."""
        symbols, begin, size = self._sides
        negative = np.concatenate([[0], np.cumsum(symbols < 0)])
        return np.asarray(negative[begin + size] > negative[begin])

    def _drawn(self, head: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A random phrase for each of the given non-terminals, by its number."""
        first, count, keep, alias = self._table
        place = rng.random(len(head)) * count[head]
        whole = place.astype(np.int64)
        phrase = first[head] + whole
        return np.where(place - whole < keep[phrase], phrase, alias[phrase])


def _joined(p: float, parts: tuple[Phrase, ...]) -> Phrase:
    """The product of the probabilities, and the tokens one after the other."""
    return p * math.prod(one for one, _ in parts), tuple(token for _, tokens in parts for token in tokens)
