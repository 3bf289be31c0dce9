"""The most likely derivations of a context-free grammar in falling probability, and the strings that they derive."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import count
from typing import TypeAlias

import numpy as np

from sim.languages.pcfg.rules import Rule, Symbol

Rest: TypeAlias = tuple[Symbol, "Rest"] | None
"""The symbols that are still to be derived, as a linked list."""

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


def derivations(
    rules: Sequence[Rule], log_p: np.ndarray, num_nonterminals: int, start: int
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield the strings (tokens) and log probabilities [nat] of derivations, the likeliest first, possibly for ever.

    It is an A* search over leftmost derivations. The bound for the remaining symbols is their likeliest derivation,
    which is exact, so no time is lost on worse ones. Among ties the entry that was added last comes first.
    """
    best = likeliest_weights(rules, log_p, num_nonterminals)
    own = [
        [(rule, float(log_p[number])) for number, rule in enumerate(rules) if rule.lhs == head]
        for head in range(num_nonterminals)
    ]
    ticket = count()
    heap: list[tuple[float, int, float, tuple[int, ...], Rest]] = [(-best[start], 0, 0.0, (), (~start, None))]
    while heap:
        cost, _, spent, tokens, rest = heapq.heappop(heap)
        while rest is not None and rest[0] > 0:
            tokens, rest = (*tokens, rest[0]), rest[1]
        if rest is None:
            yield tokens, spent
            continue
        head, rest = ~rest[0], rest[1]
        for rule, log_weight in own[head]:
            following: Rest = rest
            for symbol in reversed(rule.rhs):
                following = (symbol, following)
            lost = best[head] - log_weight - sum(best[child] for child in rule.children)
            worth = cost + lost if lost > TIE else cost
            heapq.heappush(heap, (worth, -next(ticket), spent + log_weight, tokens, following))
