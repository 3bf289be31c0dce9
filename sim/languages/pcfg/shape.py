"""The properties of a grammar that do not depend on probabilities: finiteness, lengths and numbers of derivations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.exact import unavailable
from sim.languages.matrices import components
from sim.languages.pcfg.rules import Rule, binarised, by_lhs
from sim.numerics import log_sum_exp

MOST_DIGITS = 10_000
"""Numbers of derivations are computed exactly if they have at most so many digits."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A grammar in binary form, without its probabilities. Every non-terminal must be useful."""

    rules: tuple[Rule, ...]
    num_nonterminals: int
    start: int

    @classmethod
    def of(cls, rules: Sequence[Rule], num_nonterminals: int, start: int) -> "Shape":
        """The shape of a grammar without useless symbols."""
        short, count = binarised(rules, num_nonterminals)
        return cls(tuple(short), count, start)

    @cached_property
    def graph(self) -> list[set[int]]:
        """graph[A] holds the non-terminals B on the right-hand sides of the rules of A."""
        own = by_lhs(self.rules, self.num_nonterminals)
        return [{child for rule in rules for child in rule.children} for rules in own]

    @cached_property
    def nullable(self) -> list[bool]:
        """Whether each non-terminal derives the empty string."""
        found, changed = [False] * self.num_nonterminals, True
        while changed:
            changed = False
            for rule in self.rules:
                if not found[rule.lhs] and all(symbol < 0 and found[~symbol] for symbol in rule.rhs):
                    found[rule.lhs] = changed = True
        return found

    @cached_property
    def emits(self) -> list[bool]:
        """Whether each non-terminal derives a string that is not empty."""
        found, changed = [False] * self.num_nonterminals, True
        while changed:
            changed = False
            for rule in self.rules:
                if not found[rule.lhs] and any(symbol > 0 or found[~symbol] for symbol in rule.rhs):
                    found[rule.lhs] = changed = True
        return found

    @cached_property
    def chains(self) -> list[set[int]]:
        """chains[A] holds the B that A derives with nothing beside it, by one rule and an empty other symbol."""
        rows: list[set[int]] = [set() for _ in range(self.num_nonterminals)]
        for rule in self.rules:
            for at, symbol in enumerate(rule.rhs):
                beside = rule.rhs[:at] + rule.rhs[at + 1 :]
                if symbol < 0 and all(other < 0 and self.nullable[~other] for other in beside):
                    rows[rule.lhs].add(~symbol)
        return rows

    @cached_property
    def cyclic(self) -> bool:
        """Whether a non-terminal derives itself. Then some string has infinitely many derivations."""
        return _has_cycle(self.chains)

    @cached_property
    def finite(self) -> bool:
        """Whether there are finitely many strings, so that no non-terminal derives itself with a symbol beside it.

        The language is infinite if and only if some rule has, on its right-hand side, a member of its own component of
        the `graph` and beside it something that can emit a symbol.
        """
        number = {node: k for k, block in enumerate(components(self.graph)) for node in block}
        for rule in self.rules:
            for at, symbol in enumerate(rule.rhs):
                beside = rule.rhs[:at] + rule.rhs[at + 1 :]
                again = symbol < 0 and number[~symbol] == number[rule.lhs]
                if again and any(other > 0 or self.emits[~other] for other in beside):
                    return False
        return True

    @cached_property
    def shortest(self) -> list[tuple[int, ...]]:
        """A shortest string of each non-terminal, as tokens, found by relaxation."""
        best: dict[int, tuple[int, ...]] = {}
        changed = True
        while changed:
            changed = False
            for rule in self.rules:
                if all(child in best for child in rule.children):
                    parts = [(symbol,) if symbol > 0 else best[~symbol] for symbol in rule.rhs]
                    found = tuple(token for part in parts for token in part)
                    if rule.lhs not in best or len(found) < len(best[rule.lhs]):
                        best[rule.lhs], changed = found, True
        return [best[head] for head in range(self.num_nonterminals)]

    @cached_property
    def longest(self) -> int | float:
        """The number of symbols of the longest string; math.inf for an infinite language."""
        if not self.finite:
            return math.inf
        longest = [0] * self.num_nonterminals
        own = by_lhs(self.rules, self.num_nonterminals)
        for block in components(self.graph):  # in a finite language, nothing is emitted beside a member of the block
            reached = max(self._outside(rule, block, longest) for head in block for rule in own[head])
            for head in block:
                longest[head] = reached
        return longest[self.start]

    def _outside(self, rule: Rule, block: Sequence[int], longest: Sequence[int]) -> int:
        return rule.num_terminals + sum(longest[child] for child in rule.children if child not in block)

    @cached_property
    def log_derivations(self) -> float:
        """log of the number of derivations [nat]; math.inf if there are infinitely many."""
        if _has_cycle(self.graph):
            return math.inf
        count = np.zeros(self.num_nonterminals)
        own = by_lhs(self.rules, self.num_nonterminals)
        for (head,) in components(self.graph):
            ways = [math.fsum(count[child] for child in rule.children) for rule in own[head]]
            count[head] = log_sum_exp(np.array(ways))
        return float(count[self.start])

    @cached_property
    def num_derivations(self) -> int | float:
        """Number of derivations, exact; math.inf if there are infinitely many.

        Raises `UnavailableError` if the number has over 10 000 digits. `log_derivations` is then its logarithm.
        """
        if self.log_derivations == math.inf:
            return math.inf
        if self.log_derivations > MOST_DIGITS * math.log(10):
            digits = f"it is about 10^{self.log_derivations / math.log(10):.0f}, with over {MOST_DIGITS} digits"
            raise unavailable("number of derivations", digits, "use its logarithm")
        count = [0] * self.num_nonterminals
        own = by_lhs(self.rules, self.num_nonterminals)
        for (head,) in components(self.graph):
            count[head] = sum(math.prod(count[child] for child in rule.children) for rule in own[head])
        return count[self.start]

    def counts(self, number: int) -> list[int] | None:
        """Numbers of derivations of strings of exactly 0, 1, ..., `number` - 1 symbols.

        The result is None if a non-terminal derives itself, because some string then has infinitely many derivations.
        """
        if self.cyclic:
            return None
        order = [block[0] for block in components(self.chains)]  # symbols come after those that their chains lead to
        own = by_lhs(self.rules, self.num_nonterminals)
        table: list[list[int]] = [[0] * number for _ in range(self.num_nonterminals)]
        for n in range(number):
            for head in order:
                table[head][n] = sum(self._ways(rule, n, table) for rule in own[head])
        return table[self.start]

    def _ways(self, rule: Rule, n: int, table: Sequence[Sequence[int]]) -> int:
        """Number of derivations of strings of exactly n symbols that begin with one rule."""
        left = n - rule.num_terminals
        children = rule.children
        if left < 0 or not children:
            return int(left == 0)
        if len(children) == 1:
            return table[children[0]][left]
        first, second = table[children[0]], table[children[1]]
        return sum(first[k] * second[left - k] for k in range(left + 1))


def _has_cycle(graph: Sequence[set[int]]) -> bool:
    return any(len(block) > 1 or block[0] in graph[block[0]] for block in components(graph))
