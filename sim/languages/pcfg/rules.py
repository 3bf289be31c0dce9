"""Rules of a probabilistic context-free grammar: which are useful, their binary form, and their expectation matrix."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias

Symbol: TypeAlias = int
"""A token a from 1 to V - 1 is a itself; the non-terminal with number n is ~n = -1 - n."""


@dataclass(frozen=True)
class Rule:
    """The rule lhs -> rhs with probability p, an exact rational. `lhs` is the number of a non-terminal."""

    lhs: int
    rhs: tuple[Symbol, ...]
    p: Fraction

    @cached_property
    def children(self) -> list[int]:
        """The numbers of the non-terminals on the right-hand side, in order and with repeats."""
        return [~symbol for symbol in self.rhs if symbol < 0]

    @cached_property
    def num_terminals(self) -> int:
        """The number of terminals on the right-hand side."""
        return sum(symbol > 0 for symbol in self.rhs)


def by_lhs(rules: Sequence[Rule], num_nonterminals: int) -> list[list[Rule]]:
    """The rules of every non-terminal."""
    found: list[list[Rule]] = [[] for _ in range(num_nonterminals)]
    for rule in rules:
        found[rule.lhs].append(rule)
    return found


def productive(rules: Iterable[Rule], num_nonterminals: int) -> list[bool]:
    """Whether some string can be derived from each non-terminal."""
    found = [False] * num_nonterminals
    waiting: dict[int, list[int]] = {}  # non-terminal -> the rules that wait for it
    missing, heads, ready = [], [], []
    for number, rule in enumerate(rules):
        needed = set(rule.children)
        missing.append(len(needed))
        heads.append(rule.lhs)
        for child in needed:
            waiting.setdefault(child, []).append(number)
        if not needed:
            ready.append(rule.lhs)
    while ready:
        head = ready.pop()
        if found[head]:
            continue
        found[head] = True
        for number in waiting.get(head, []):
            missing[number] -= 1
            if not missing[number]:
                ready.append(heads[number])
    return found


def reached(rules: Sequence[Rule], num_nonterminals: int, start: int) -> list[bool]:
    """Whether a derivation from `start` can use each non-terminal."""
    own, found, frontier = by_lhs(rules, num_nonterminals), [False] * num_nonterminals, [start]
    found[start] = True
    while frontier:
        for rule in own[frontier.pop()]:
            for child in rule.children:
                if not found[child]:
                    found[child] = True
                    frontier.append(child)
    return found


def renumbered(rules: Iterable[Rule], kept: Sequence[bool]) -> list[Rule]:
    """The rules that use kept non-terminals only. The kept non-terminals get new numbers in the same order."""
    number = {old: new for new, old in enumerate(index for index, keep in enumerate(kept) if keep)}
    return [
        Rule(number[rule.lhs], tuple(symbol if symbol > 0 else ~number[~symbol] for symbol in rule.rhs), rule.p)
        for rule in rules
        if kept[rule.lhs] and all(kept[child] for child in rule.children)
    ]


def binarised(rules: Sequence[Rule], num_nonterminals: int) -> tuple[list[Rule], int]:
    """Rules with the same derivations and at most two symbols on the right, and their number of non-terminals.

    A -> X Y Z becomes A -> X <Y Z> and <Y Z> -> Y Z with probability 1. Equal rests share one non-terminal. The
    numbers of the new non-terminals start at `num_nonterminals`.
    """
    rest: dict[tuple[Symbol, Symbol], int] = {}  # a symbol and what follows it -> the number of their non-terminal
    found = []
    for rule in rules:
        rhs = rule.rhs
        if len(rhs) > 2:
            rhs = (rhs[0], _rest_of(rhs[1:], rest, num_nonterminals))
        found.append(Rule(rule.lhs, rhs, rule.p))
    found += [Rule(number, symbols, Fraction(1)) for symbols, number in rest.items()]
    return found, num_nonterminals + len(rest)


def _rest_of(symbols: tuple[Symbol, ...], rest: dict[tuple[Symbol, Symbol], int], first: int) -> Symbol:
    """The non-terminal for a rest of a right-hand side. It and all its own rests are added if missing."""
    new = symbols[-1]
    for symbol in reversed(symbols[:-1]):
        new = ~rest.setdefault((symbol, new), first + len(rest))
    return new


def expectation(rules: Iterable[Rule], num_nonterminals: int) -> list[dict[int, Fraction]]:
    """M_AB, the expected number of B on the right-hand side that replaces A, as sparse rows of rationals."""
    rows: list[dict[int, Fraction]] = [{} for _ in range(num_nonterminals)]
    for rule in rules:
        for child in rule.children:
            rows[rule.lhs][child] = rows[rule.lhs].get(child, Fraction(0)) + rule.p
    return rows


def merged(
    weights: Iterable[tuple[int, tuple[Symbol, ...], Fraction]],
) -> dict[tuple[int, tuple[Symbol, ...]], Fraction]:
    """Rules as a map from left- and right-hand side. The probabilities of a rule that is given twice are added."""
    found: dict[tuple[int, tuple[Symbol, ...]], Fraction] = {}
    for lhs, rhs, p in weights:
        found[lhs, rhs] = found.get((lhs, rhs), Fraction(0)) + p
    return found


def written(rule: Rule, nonterminals: Sequence[str], symbols: Sequence[str]) -> str:
    """A rule as messages show it, such as S -> ( S ) S."""
    right = " ".join(nonterminals[~symbol] if symbol < 0 else symbols[symbol] for symbol in rule.rhs)
    return f"{nonterminals[rule.lhs]} -> {right or '(empty)'}"
