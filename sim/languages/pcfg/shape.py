"""The properties of a grammar that do not depend on probabilities: finiteness, lengths and numbers of derivations."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.exact import unavailable
from sim.languages.matrices import components
from sim.languages.pcfg.leading import nullable
from sim.languages.pcfg.rules import Rule, binarised, by_lhs
from sim.numerics import log_sum_exp

MOST_DIGITS = 4_000
"""Numbers of derivations are computed exactly if they have at most so many digits. Python writes up to 4,300."""


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
    def order(self) -> list[list[int]]:
        """The strongly connected components of the `graph`, each after those that it leads to."""
        return components(self.graph)

    @cached_property
    def recursive(self) -> bool:
        """Whether some non-terminal occurs in what it derives."""
        return any(len(block) > 1 or block[0] in self.graph[block[0]] for block in self.order)

    @cached_property
    def nullable(self) -> list[bool]:
        """Whether each non-terminal derives the empty string."""
        return nullable(self.rules, self.num_nonterminals)

    @cached_property
    def emits(self) -> list[bool]:
        """Whether each non-terminal derives a string that is not empty."""
        found = [False] * self.num_nonterminals
        for rule in self.rules:
            found[rule.lhs] |= rule.num_terminals > 0
        for block in self.order:
            if any(found[node] or any(found[child] for child in self.graph[node]) for node in block):
                for node in block:
                    found[node] = True
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
        number = {node: k for k, block in enumerate(self.order) for node in block}
        for rule in self.rules:
            for at, symbol in enumerate(rule.rhs):
                beside = rule.rhs[:at] + rule.rhs[at + 1 :]
                again = symbol < 0 and number[~symbol] == number[rule.lhs]
                if again and any(other > 0 or self.emits[~other] for other in beside):
                    return False
        return True

    @cached_property
    def _shortest(self) -> tuple[list[int], list[Rule]]:
        """The length of a shortest string of each non-terminal, and the rule that begins its derivation."""
        best, chosen = [0] * self.num_nonterminals, list(self.rules[:1]) * self.num_nonterminals
        waiting: dict[int, list[int]] = {}
        missing = [len(set(rule.children)) for rule in self.rules]
        for number, rule in enumerate(self.rules):
            for child in set(rule.children):
                waiting.setdefault(child, []).append(number)
        heap = [(rule.num_terminals, number) for number, rule in enumerate(self.rules) if not missing[number]]
        heapq.heapify(heap)
        done: set[int] = set()
        while heap:
            length, number = heapq.heappop(heap)
            head = self.rules[number].lhs
            if head in done:
                continue
            done.add(head)
            best[head], chosen[head] = length, self.rules[number]
            for other in waiting.get(head, []):
                missing[other] -= 1
                if not missing[other]:
                    rule = self.rules[other]
                    heapq.heappush(heap, (rule.num_terminals + sum(best[child] for child in rule.children), other))
        return best, chosen

    @property
    def least(self) -> list[int]:
        """The length of a shortest string of each non-terminal [symbols]."""
        return self._shortest[0]

    def shortest_string(self, head: int) -> tuple[int, ...]:
        """A shortest string of a non-terminal, as tokens."""
        found, waiting = [], [~head]
        while waiting:
            symbol = waiting.pop()
            if symbol > 0:
                found.append(symbol)
            else:
                waiting += reversed(self._shortest[1][~symbol].rhs)
        return tuple(found)

    @cached_property
    def shortest(self) -> list[tuple[int, ...]]:
        """A shortest string of each non-terminal, as tokens."""
        return [self.shortest_string(head) for head in range(self.num_nonterminals)]

    @cached_property
    def longest(self) -> int | float:
        """The number of symbols of the longest string; math.inf for an infinite language."""
        if not self.finite:
            return math.inf
        longest = [0] * self.num_nonterminals
        own = by_lhs(self.rules, self.num_nonterminals)
        for block in self.order:  # in a finite language, nothing is emitted beside a member of the block
            reached = max(self._outside(rule, set(block), longest) for head in block for rule in own[head])
            for head in block:
                longest[head] = reached
        return longest[self.start]

    def _outside(self, rule: Rule, block: set[int], longest: Sequence[int]) -> int:
        return rule.num_terminals + sum(longest[child] for child in rule.children if child not in block)

    @cached_property
    def log_derivations(self) -> float:
        """log of the number of derivations [nat]; math.inf if there are infinitely many."""
        if self.recursive:
            return math.inf
        count = np.zeros(self.num_nonterminals)
        own = by_lhs(self.rules, self.num_nonterminals)
        for (head,) in self.order:
            ways = np.array([sum(count[child] for child in rule.children) for rule in own[head]])
            if not np.isfinite(ways).all():
                why = "its logarithm is above the largest float, 1e308"
                raise unavailable("number of derivations", why, "describe a grammar with shorter strings")
            count[head] = log_sum_exp(ways)
        return float(count[self.start])

    @cached_property
    def num_derivations(self) -> int | float:
        """Number of derivations, exact; math.inf if there are infinitely many.

        Raises `UnavailableError` if the number has over 4 000 digits. `log_derivations` is then its logarithm.
        """
        if self.log_derivations == math.inf:
            return math.inf
        if self.log_derivations > MOST_DIGITS * math.log(10):
            digits = f"it is about 10^{self.log_derivations / math.log(10):.0f}, with over {MOST_DIGITS} digits"
            raise unavailable("number of derivations", digits, "use its logarithm")
        count = [0] * self.num_nonterminals
        own = by_lhs(self.rules, self.num_nonterminals)
        for (head,) in self.order:
            count[head] = sum(math.prod(count[child] for child in rule.children) for rule in own[head])
        return count[self.start]

    def counts(self, number: int) -> list[int] | None:
        """Numbers of derivations of strings of exactly 0, 1, ..., `number` - 1 symbols.

        The result is None if a non-terminal derives itself, because some string then has infinitely many derivations.
        """
        table = self.count_table(number)
        return None if table is None else table[self.start]

    def count_table(self, number: int) -> list[list[int]] | None:
        """As `counts`, for each non-terminal."""
        if self.cyclic:
            return None
        order = [block[0] for block in components(self.chains)]  # symbols come after those that their chains lead to
        own = [
            [(rule.num_terminals, rule.children) for rule in mine] for mine in by_lhs(self.rules, self.num_nonterminals)
        ]
        table: list[list[int]] = [[0] * number for _ in range(self.num_nonterminals)]
        for n in range(number):
            for head in order:
                table[head][n] = sum(_ways(n - fixed, children, table) for fixed, children in own[head] if fixed <= n)
        return table


def _ways(left: int, children: Sequence[int], table: Sequence[Sequence[int]]) -> int:
    """Number of derivations of `left` symbols from at most two non-terminals."""
    if not children:
        return int(left == 0)
    if len(children) == 1:
        return table[children[0]][left]
    first, second = table[children[0]], table[children[1]]
    return sum(first[k] * second[left - k] for k in range(left + 1) if first[k])


def _has_cycle(graph: Sequence[set[int]]) -> bool:
    return any(len(block) > 1 or block[0] in graph[block[0]] for block in components(graph))
