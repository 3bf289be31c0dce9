"""Draw many strings at once from a grammar without recursion."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.alias import alias_table
from sim.laws._order import Order


@dataclass(frozen=True, eq=False)
class Drawing:
    """Tables for drawing: all non-terminals of all strings are replaced at once, until none is left.

    The rules lie in the order of their left-hand sides. Rule `first + floor(u count)` is kept with the probability
    `keep`, else its `alias` is taken (Walker's method).
    """

    order: Order

    @cached_property
    def _sides(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All right-hand sides one after the other, where each begins, and how long it is."""
        sides = [rhs for own in self.order.rules for _, rhs in own]
        length = np.array([len(rhs) for rhs in sides])
        return np.array([symbol for rhs in sides for symbol in rhs], np.int64), np.cumsum(length) - length, length

    @cached_property
    def _count(self) -> np.ndarray:
        return np.array([len(own) for own in self.order.rules])

    @cached_property
    def _first(self) -> np.ndarray:
        return np.asarray(np.cumsum(self._count) - self._count)

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        log_p = self.order.grammar.log_p
        tables = [alias_table(np.exp(log_p[[number for number, _ in own]])) for own in self.order.rules]
        keep = np.concatenate([keep for keep, _ in tables])
        return keep, np.concatenate([first + alias for first, (_, alias) in zip(self._first, tables, strict=True)])

    def strings(self, rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw strings: all their tokens, one string after the other, and the length of each, int64[number]."""
        symbol = np.full(number, ~self.order.grammar.start)
        owner = np.arange(number)
        symbols, begin, length = self._sides
        while True:
            inner = symbol < 0
            if not inner.any():
                return symbol, np.bincount(owner, minlength=number)
            rule = self._rules(~symbol[inner], rng)
            parts = np.ones(len(symbol), np.int64)
            parts[inner] = length[rule]
            source = np.zeros(len(symbol), np.int64)
            source[inner] = begin[rule]
            start = np.cumsum(parts) - parts
            which = np.repeat(np.arange(len(symbol)), parts)
            offset = np.arange(len(which)) - start[which]
            copied = symbol[which]
            new = inner[which]
            copied[new] = symbols[(source[which] + offset)[new]]
            symbol, owner = copied, owner[which]

    def _rules(self, head: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A random rule for each of the given non-terminals, as a position among the sorted rules."""
        keep, alias = self._table
        place = rng.random(len(head)) * self._count[head]
        whole = place.astype(np.int64)
        rule = self._first[head] + whole
        return np.where(place - whole < keep[rule], rule, alias[rule])
