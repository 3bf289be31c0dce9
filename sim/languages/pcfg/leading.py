"""The tokens that strings can begin with, and the LL(1) test: a quick proof that a grammar is unambiguous."""

from collections.abc import Sequence

from sim.languages.matrices import components
from sim.languages.pcfg.rules import Rule, Symbol, by_lhs, productive
from sim.numerics import EOS

MOST_TOKENS = 5_000_000
"""Largest total size of the sets of tokens. Beyond it nothing is decided."""

Sets = list[frozenset[int]]
"""A set of tokens for each non-terminal."""


def nullable(rules: Sequence[Rule], num_nonterminals: int) -> list[bool]:
    """Whether each non-terminal derives the empty string."""
    return productive([rule for rule in rules if not rule.num_terminals], num_nonterminals)


def first_sets(rules: Sequence[Rule], num_nonterminals: int, empty: Sequence[bool]) -> Sets | None:
    """The tokens that strings of each non-terminal can begin with; None if the sets are too large.

    `empty` says which non-terminals derive the empty string.
    """
    base: list[set[int]] = [set() for _ in range(num_nonterminals)]
    graph: list[set[int]] = [set() for _ in range(num_nonterminals)]
    for rule in rules:
        for symbol in rule.rhs:
            if symbol > 0:
                base[rule.lhs].add(symbol)
                break
            graph[rule.lhs].add(~symbol)
            if not empty[~symbol]:
                break
    return _spread(base, graph)


def _spread(base: Sequence[set[int]], graph: Sequence[set[int]]) -> Sets | None:
    """The least sets that hold their base, and the sets of the nodes that they lead to; None if they are too large."""
    found: Sets = [frozenset()] * len(base)
    total = 0
    for block in components(graph):
        parts = [found[child] for node in block for child in graph[node] if found[child]]
        parts += [frozenset(base[node]) for node in block if base[node]]
        different = list({id(part): part for part in parts}.values())
        whole = different[0] if len(different) == 1 else frozenset().union(*different)
        total += 0 if len(different) == 1 else len(whole)
        if total > MOST_TOKENS:
            return None
        for node in block:
            found[node] = whole
    return found


def _begins(rhs: Sequence[Symbol], first: Sets, empty: Sequence[bool]) -> tuple[frozenset[int], bool]:
    """The tokens that a sequence can begin with, and whether it can be empty."""
    found: frozenset[int] = frozenset()
    for symbol in rhs:
        found |= {symbol} if symbol > 0 else first[~symbol]
        if symbol > 0 or not empty[~symbol]:
            return found, False
    return found, True


def _follow_sets(
    rules: Sequence[Rule], num_nonterminals: int, start: int, first: Sets, empty: Sequence[bool]
) -> Sets | None:
    """The tokens, EOS among them, that can follow each non-terminal; None if the sets are too large."""
    base: list[set[int]] = [set() for _ in range(num_nonterminals)]
    graph: list[set[int]] = [set() for _ in range(num_nonterminals)]
    base[start].add(EOS)
    size = 0
    for rule in rules:
        ahead, at_end = frozenset[int](), True  # what follows the symbol that is looked at
        for symbol in reversed(rule.rhs):
            if symbol > 0:
                ahead, at_end = frozenset({symbol}), False
                continue
            base[~symbol] |= ahead
            size += len(ahead)
            if at_end:
                graph[~symbol].add(rule.lhs)
            if not empty[~symbol]:
                ahead, at_end = first[~symbol], False
            elif not ahead:
                ahead = first[~symbol]
            else:
                ahead |= first[~symbol]
                size += len(ahead)
        if size > MOST_TOKENS:
            return None
    return _spread(base, graph)


def is_ll1(rules: Sequence[Rule], num_nonterminals: int, start: int) -> bool:
    """Whether the next token always determines the rule, so that the grammar is unambiguous. It takes linear time.

    False for grammars that are too large, too. Source: Rosenkrantz & Stearns 1970, Information and Control 17(3).
    """
    empty = nullable(rules, num_nonterminals)
    first = first_sets(rules, num_nonterminals, empty)
    follow = None if first is None else _follow_sets(rules, num_nonterminals, start, first, empty)
    if first is None or follow is None:
        return False
    for head, own in enumerate(by_lhs(rules, num_nonterminals)):
        seen: set[int] = set()
        for rule in own if len(own) > 1 else []:
            tokens, may_be_empty = _begins(rule.rhs, first, empty)
            if may_be_empty:
                tokens |= follow[head]
            if not seen.isdisjoint(tokens):
                return False
            seen |= tokens
    return True
