"""The most likely derivations of a context-free grammar in falling probability, and the strings that they derive."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, TypeAlias

import numpy as np

from sim.languages.pcfg.rules import Rule, Symbol

Rest: TypeAlias = tuple[Symbol, Any] | None
"""The symbols that are still to be derived, as a linked list."""

Path: TypeAlias = tuple[int, Any] | None
"""The tokens that have been derived, the last one first, as a linked list."""

TIE = 1e-12
"""A rule that loses at most this [nat] costs nothing. Else rounding would split ties, and all would be expanded."""


def likeliest_weights(rules: Sequence[Rule], log_p: np.ndarray, num_nonterminals: int) -> np.ndarray:
    """log probability of the likeliest derivation of each non-terminal [nat]: float64[N].

    Source: Knuth 1977, Information Processing Letters 6(1), "A generalization of Dijkstra's algorithm".
    """
    best = np.full(num_nonterminals, -np.inf)
    waiting: dict[int, list[int]] = {}
    missing = [len(set(rule.children)) for rule in rules]
    for number, rule in enumerate(rules):
        for child in set(rule.children):
            waiting.setdefault(child, []).append(number)
    heap = [(-float(log_p[number]), rule.lhs) for number, rule in enumerate(rules) if not missing[number]]
    heapq.heapify(heap)
    while heap:
        cost, head = heapq.heappop(heap)
        if best[head] > -np.inf:
            continue
        best[head] = -cost
        for number in waiting.get(head, []):
            missing[number] -= 1
            if not missing[number]:
                reached = float(log_p[number]) + sum(best[child] for child in rules[number].children)
                heapq.heappush(heap, (-reached, rules[number].lhs))
    return best


def likeliest_length(rules: Sequence[Rule], log_p: np.ndarray, best: np.ndarray, start: int) -> int:
    """The number of symbols of the string of a likeliest derivation, if `best` are the `likeliest_weights`.

    Among equal derivations, it is the one whose rules come first.
    """
    chosen: dict[int, tuple[float, Rule]] = {}
    for number, rule in enumerate(rules):
        worth = float(log_p[number]) + sum(best[child] for child in rule.children)
        if rule.lhs not in chosen or worth > chosen[rule.lhs][0] + TIE:
            chosen[rule.lhs] = worth, rule
    length: dict[int, int] = {}
    waiting, opened = [start], set[int]()
    while waiting:
        head = waiting[-1]
        rule = chosen[head][1]
        missing = [child for child in rule.children if child not in length]
        if missing and head not in opened:
            opened.add(head)
            waiting += missing
            continue
        waiting.pop()
        length[head] = rule.num_terminals + sum(length.get(child, 0) for child in rule.children)
    return length[start]


def derivations(
    rules: Sequence[Rule], log_p: np.ndarray, num_nonterminals: int, start: int
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield the strings (tokens) and log probabilities [nat] of derivations, the likeliest first, possibly for ever.

    It is an A* search over leftmost derivations. The bound for the remaining symbols is their likeliest derivation,
    which is exact, so no time is lost on worse ones. Among ties the entry that was added last comes first, so that the
    search goes deep. Of the rules of a non-terminal, one at a time is in the queue, the likeliest first.
    """
    best = likeliest_weights(rules, log_p, num_nonterminals)
    own: list[list[tuple[Rule, float, float]]] = [[] for _ in range(num_nonterminals)]
    for number, rule in enumerate(rules):
        weight = float(log_p[number])
        lost = best[rule.lhs] - weight - sum(best[child] for child in rule.children)
        own[rule.lhs].append((rule, weight, lost if lost > TIE else 0.0))
    for mine in own:
        mine.sort(key=lambda one: one[2])
    ticket = count()
    heap: list[tuple[float, int, float, Path, Rest, int, int]] = []

    def push(cost: float, spent: float, path: Path, rest: Rest, head: int, which: int) -> None:
        """Add the derivations that go on with rule `which` of `head`. The rules after it are added when it is taken."""
        if which < len(own[head]):
            heapq.heappush(heap, (cost + own[head][which][2], -next(ticket), spent, path, rest, head, which))

    push(-best[start], 0.0, None, None, start, 0)
    while heap:
        cost, _, spent, path, rest, head, which = heapq.heappop(heap)
        rule, weight, lost = own[head][which]
        push(cost - lost, spent, path, rest, head, which + 1)
        spent += weight
        for symbol in reversed(rule.rhs):
            rest = (symbol, rest)
        while rest is not None and rest[0] > 0:
            path, rest = (rest[0], path), rest[1]
        if rest is None:
            yield unwound(path), spent
        else:
            push(cost, spent, path, rest[1], ~rest[0], 0)


def unwound(path: Path) -> tuple[int, ...]:
    """The tokens of a path, the first one first."""
    tokens = []
    while path is not None:
        token, path = path
        tokens.append(token)
    return tuple(reversed(tokens))
