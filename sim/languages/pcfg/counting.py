"""Prove ambiguity by counting: there are more derivations of some length than strings of that length can exist."""

from collections.abc import Sequence
from dataclasses import dataclass

from sim.languages.pcfg.leading import first_sets, nullable
from sim.languages.pcfg.rules import Rule
from sim.languages.pcfg.shape import Shape

LONGEST, MOST_WORK = 200, 3_000_000
"""Limits: the length of strings, and products for all lengths together."""

MOST_PAIRS = 300_000
"""Largest number of pairs of neighbouring symbols."""


@dataclass(frozen=True)
class Surplus:
    """A non-terminal has `derivations` of strings of `length` symbols, but at most `strings` such strings exist."""

    head: int
    length: int
    derivations: int
    strings: int


def surplus(rules: Sequence[Rule], num_nonterminals: int, shape: Shape) -> Surplus | None:
    """The shortest length with more derivations than strings, for the first non-terminal that has one; else None.

    Strings are counted from above: a string is a path over symbols that can be neighbours, from one that can be first
    to one that can be last. There are at most k^n of them for k symbols.
    """
    most = min(LONGEST, shape.longest)
    while len(shape.rules) * most * most // 2 > MOST_WORK and most > 3:
        most //= 2
    table = shape.count_table(int(most) + 1)
    if table is None:
        return None
    paths = _Paths(rules, num_nonterminals)
    ways: dict[tuple[frozenset[int], frozenset[int]], list[int]] = {}
    for head in range(num_nonterminals):
        ends = paths.ends(head)
        if ends not in ways:
            ways[ends] = paths.counts(*ends, int(most) + 1)
        for length, (derivations, strings) in enumerate(zip(table[head], ways[ends], strict=True)):
            if derivations > strings:
                return Surplus(head, length, derivations, strings)
    return None


class _Paths:
    """The pairs of symbols that can be neighbours in a string."""

    def __init__(self, rules: Sequence[Rule], num_nonterminals: int) -> None:
        empty = nullable(rules, num_nonterminals)
        backwards = [Rule(rule.lhs, rule.rhs[::-1], rule.p) for rule in rules]
        self.first = first_sets(rules, num_nonterminals, empty)
        self.last = first_sets(backwards, num_nonterminals, empty)
        self.tokens = frozenset(symbol for rule in rules for symbol in rule.rhs if symbol > 0)
        self.after: dict[int, set[int]] | None = {token: set() for token in self.tokens}
        joints: set[tuple[frozenset[int], frozenset[int]]] = set()
        for rule in rules:
            if self.first is None or self.last is None:
                self.after = None
                return
            before: set[frozenset[int]] = set()  # sets of tokens that can stand before the symbol that is looked at
            for symbol in rule.rhs:
                begins = frozenset({symbol}) if symbol > 0 else self.first[~symbol]
                joints |= {(one, begins) for one in before}
                ended = frozenset({symbol}) if symbol > 0 else self.last[~symbol]
                before = before | {ended} if symbol < 0 and empty[~symbol] else {ended}
        if sum(len(one) * len(other) for one, other in joints) > MOST_PAIRS:
            self.after = None
            return
        for one, other in joints:
            for token in one:
                self.after[token] |= other

    def ends(self, head: int) -> tuple[frozenset[int], frozenset[int]]:
        """The tokens that a string of a non-terminal can begin and end with."""
        if self.first is None or self.last is None or self.after is None:
            return self.tokens, self.tokens
        return self.first[head], self.last[head]

    def counts(self, first: frozenset[int], last: frozenset[int], number: int) -> list[int]:
        """The number of paths of n = 0, 1, ..., `number` - 1 symbols. The empty path is counted once."""
        if self.after is None:
            return [len(self.tokens) ** n for n in range(number)]
        ways = {token: int(token in first) for token in self.tokens}
        found = [1]
        for _ in range(number - 1):
            found.append(sum(ways[token] for token in last))
            following = dict.fromkeys(self.tokens, 0)
            for token, count in ways.items():
                if count:
                    for other in self.after[token]:
                        following[other] += count
            ways = following
        return found
