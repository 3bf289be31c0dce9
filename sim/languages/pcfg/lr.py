"""The LR(1) test: if the canonical parser of a grammar never has to choose, the grammar is unambiguous."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from sim.languages.pcfg.leading import first_sets, nullable
from sim.languages.pcfg.rules import Rule, Symbol
from sim.numerics import EOS

MAX_STATES = 1_500
"""Largest number of states of the parser. The test gives up beyond it."""

MAX_ITEMS = 1_000_000
"""Largest number of items that are looked at, each with its lookaheads. The test gives up beyond it."""

Core: TypeAlias = tuple[int, int]
"""The number of a rule, and how many symbols of its right-hand side have been read."""

State: TypeAlias = dict[Core, frozenset[int]]
"""Items with their lookaheads, which are tokens or EOS."""


def is_lr1(rules: Sequence[Rule], num_nonterminals: int, start: int) -> bool | None:
    """Whether the grammar is LR(1); None if its parser is too large.

    Source: Knuth 1965, Information and Control 8(6), "On the translation of languages from left to right".
    """
    return _Builder(rules, num_nonterminals, start).deterministic()


class _Builder:
    """The canonical collection of a grammar with the additional rule S' -> S, which has the last number."""

    def __init__(self, rules: Sequence[Rule], num_nonterminals: int, start: int) -> None:
        self.rhs = [*(rule.rhs for rule in rules), (~start,)]
        self.own = _numbers(rules, num_nonterminals)
        self.nullable = nullable(rules, num_nonterminals)
        self.first = first_sets(rules, num_nonterminals, self.nullable) or []
        self.work = 0 if self.first else MAX_ITEMS

    def deterministic(self) -> bool | None:
        kernel: State = {(len(self.rhs) - 1, 0): frozenset([EOS])}
        seen = {_frozen(kernel)}
        waiting = [kernel]
        while waiting:
            state = self.closed(waiting.pop())
            if self.work >= MAX_ITEMS:
                return None
            if self.has_conflict(state):
                return False
            for following in self.moves(state).values():
                key = _frozen(following)
                if key not in seen:
                    seen.add(key)
                    waiting.append(following)
            if len(seen) > MAX_STATES:
                return None
        return True

    def closed(self, kernel: Mapping[Core, frozenset[int]]) -> State:
        """The closure of a kernel: its items and the rules that may begin at their dots."""
        state = dict(kernel)
        waiting = list(kernel)
        while waiting and self.work < MAX_ITEMS:
            number, dot = core = waiting.pop()
            rest = self.rhs[number][dot:]
            if not rest or rest[0] > 0:
                continue
            ahead = self.first_of(rest[1:], state[core])
            self.work += len(self.own[~rest[0]]) * (1 + len(ahead) // 8)
            for rule in self.own[~rest[0]]:
                old = state.get((rule, 0), frozenset())
                if not ahead <= old or (rule, 0) not in state:
                    state[rule, 0] = old | ahead
                    waiting.append((rule, 0))
        return state

    def first_of(self, symbols: Sequence[Symbol], after: frozenset[int]) -> frozenset[int]:
        """The tokens that a sequence may begin with, together with `after` if the sequence may be empty."""
        found: frozenset[int] = frozenset()
        for symbol in symbols:
            if symbol > 0:
                return found | {symbol}
            found |= self.first[~symbol]
            if not self.nullable[~symbol]:
                return found
        return found | after

    def has_conflict(self, state: State) -> bool:
        """Whether some next token allows two reductions, or a reduction and a shift."""
        taken = {rest[0] for number, dot in state if (rest := self.rhs[number][dot:]) and rest[0] > 0}
        for (number, dot), ahead in state.items():
            if dot == len(self.rhs[number]):
                if not taken.isdisjoint(ahead):
                    return True
                taken |= ahead
        return False

    def moves(self, state: State) -> dict[Symbol, State]:
        """The next kernel after each symbol."""
        found: dict[Symbol, State] = {}
        for (number, dot), ahead in state.items():
            if dot < len(self.rhs[number]):
                found.setdefault(self.rhs[number][dot], {})[number, dot + 1] = ahead
        return found


def _numbers(rules: Sequence[Rule], num_nonterminals: int) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(num_nonterminals)]
    for number, rule in enumerate(rules):
        found[rule.lhs].append(number)
    return found


def _frozen(state: State) -> frozenset[tuple[Core, frozenset[int]]]:
    return frozenset(state.items())
