"""Draw many strings at once from any context-free grammar: all non-terminals of all strings are replaced at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.pcfg.language import ContextFree
from sim.laws._choices import Choices
from sim.numerics import SpecificationError

MOST_ENTRIES = 1 << 27
"""Largest number of symbols of all unfinished strings, and of tokens of all strings, the padding included."""


@dataclass(frozen=True, eq=False)
class Rewriting:
    """The rules of a grammar in the order of their left-hand sides, as arrays."""

    grammar: ContextFree

    @cached_property
    def _rules(self) -> tuple[Choices, np.ndarray, np.ndarray, np.ndarray]:
        """How rules are drawn; the symbols of all right-hand sides, where each begins, and how many it has."""
        order = sorted(range(len(self.grammar.rules)), key=lambda number: self.grammar.rules[number].lhs)
        rules = [self.grammar.rules[number] for number in order]
        edges = np.searchsorted([rule.lhs for rule in rules], np.arange(len(self.grammar.nonterminals) + 1))
        size = np.array([len(rule.rhs) for rule in rules])
        symbols = np.array([symbol for rule in rules for symbol in rule.rhs], np.int64)
        return Choices(np.exp(self.grammar.log_p[order]), edges), symbols, np.cumsum(size) - size, size

    def strings(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Draw strings: int32[number, T], each with at least one EOS at its end.

        Raises `SpecificationError` if the strings become too long for the memory.
        """
        row, symbol = np.arange(number), np.full(number, ~self.grammar.start)
        whole = list[tuple[np.ndarray, np.ndarray]]()
        while len(row):
            row, symbol = self._replaced(row, symbol, rng)
            open_ = np.zeros(number, bool)
            open_[row[symbol < 0]] = True
            whole.append((row[~open_[row]], symbol[~open_[row]]))
            row, symbol = row[open_[row]], symbol[open_[row]]
        lengths = sum((np.bincount(own, minlength=number) for own, _ in whole), np.zeros(number, np.int64))
        longest = int(lengths.max(initial=0))
        _check(number * (longest + 1))
        rows = np.zeros((number, longest + 1), np.int32)
        for own, tokens in whole:
            rows[own, np.arange(len(own)) - np.searchsorted(own, own)] = tokens
        return rows

    def _replaced(self, row: np.ndarray, symbol: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """All non-terminals replaced by right-hand sides; the row and the symbol of each place."""
        choices, symbols, begin, size = self._rules
        inner = np.flatnonzero(symbol < 0)
        rule = choices.drawn(~symbol[inner], rng)
        parts = np.ones(len(symbol), np.int64)
        parts[inner] = size[rule]
        _check(int(parts.sum()))
        new = np.repeat(symbol < 0, parts)
        ends = np.cumsum(size[rule])
        source = np.repeat(begin[rule] - (ends - size[rule]), size[rule]) + np.arange(int(size[rule].sum()))
        row, symbol = np.repeat(row, parts), np.repeat(symbol, parts)
        symbol[new] = symbols[source]
        return row, symbol


def _check(entries: int) -> None:
    if entries > MOST_ENTRIES:
        raise SpecificationError(
            f"sample: at most {MOST_ENTRIES:,} symbols at once are required, found {entries:,}; draw fewer, or "
            "condition the language on shorter strings first"
        )
