"""Grammars that are tilted, conditioned on an event, truncated at a length, or without some rules.

Each of these changes the weights of rules and normalises them.
"""

import math
from collections.abc import Collection, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import numpy as np

from sim.languages import fixpoints
from sim.languages.events import Dfa
from sim.languages.pcfg.language import SMALLEST, ContextFree
from sim.languages.pcfg.normalising import (
    InfiniteError,
    Weighted,
    equations,
    normalised,
    normalised_from,
    required,
)
from sim.languages.pcfg.rules import Rule, Symbol, binarised, merged
from sim.languages.systems import least
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError

LONG = 20
"""If the tilted likeliest derivation has more nats than this, decimals are used: long strings accumulate rounding."""

MAX_RULES = 400_000
"""Largest number of rules of the product with an event, or with a count of symbols."""


def tilted(grammar: ContextFree, temperature: float) -> tuple[ContextFree, float] | None:
    """Derivations proportional to P^(1/temperature), and the log of the total [nat]; None if the total is infinite.

    Strings are tilted in the same way if and only if the grammar is unambiguous. Weights are relative to the likeliest
    derivation of their non-terminal, so that they do not underflow. Near temperature 0 a rule may still underflow; then
    `SpecificationError` is raised.
    """
    relative, names = _relative_logs(grammar), grammar.nonterminals
    rules: list[Weighted] = []
    for rule, log_weight in zip(grammar.rules, relative, strict=True):
        weight = math.exp(float(log_weight) / temperature)
        if weight < SMALLEST:
            raise SpecificationError(
                f"temperature: rules must keep a probability above 1e-308, found less for {grammar.shown(rule)} at "
                f"{temperature:g}; raise it"
            )
        rules.append((rule.lhs, rule.rhs, weight))
    best = Decimal(float(grammar.best_derivations[grammar.start]))
    total = least(equations(names, rules)) if abs(best) < LONG * temperature else None
    with fixpoints.digits():
        if total is None or total.decimals is not None:
            weights = [(log_weight / Decimal(temperature)).exp() for log_weight in relative]
            rules = [(lhs, rhs, weight) for (lhs, rhs, _), weight in zip(rules, weights, strict=True)]
            total = least(equations(names, rules), in_decimals=True)
        try:
            found = normalised_from(grammar.vocabulary, names, rules, grammar.start, total)
        except InfiniteError:
            return None
        assert found is not None, "the likeliest derivation has weight 1"
        return found[0], float(found[1] + best / Decimal(temperature))


@lru_cache(maxsize=8)
def _relative_logs(grammar: ContextFree) -> list[Decimal]:
    """log of the best derivation with each rule, relative to the likeliest one of its left-hand side, at most about 0.

    It is in nats, as decimals of many digits, because temperatures near 0 and long strings magnify rounding errors.
    """
    with fixpoints.digits():
        best = [Decimal(value) for value in grammar.best_derivations.tolist()]
        return [
            fixpoints.decimal(rule.p).ln() + sum(best[child] for child in rule.children) - best[rule.lhs]
            for rule in grammar.rules
        ]


def without(
    grammar: ContextFree, nonterminals: Collection[int], rules: Collection[int], place: str = "restriction"
) -> tuple[ContextFree, float]:
    """The grammar without some non-terminals and rules (by number), renormalised, and the log mass that is kept [nat].

    It is the law of derivations given that they avoid these parts. For an unambiguous grammar this is an event of
    strings. Raises `SpecificationError` if nothing is left.
    """
    kept = [
        (rule.lhs, rule.rhs, rule.p)
        for number, rule in enumerate(grammar.rules)
        if number not in rules and rule.lhs not in nonterminals and not set(rule.children) & set(nonterminals)
    ]
    return required(normalised(grammar.vocabulary, grammar.nonterminals, kept, grammar.start), place)


def condition(grammar: ContextFree, event: Dfa, place: str = "restriction") -> tuple[ContextFree, float]:
    """P(. | A) for the strings A that a DFA accepts, again as a grammar, and log P(A) [nat].

    Derivations of the strings of A keep their relative probabilities, so this is exact for ambiguous grammars too. The
    new non-terminals are triples (state, non-terminal, state). Raises `SpecificationError` if P(A) = 0, or if the
    product has over 400 000 rules.
    Source: Bar-Hillel, Perles & Shamir 1961; Nederhof & Satta 2003.
    """
    short, count = binarised(grammar.rules, len(grammar.nonterminals))
    Q = len(event.accept)
    derives = _derivable(short, count, event)
    number: dict[tuple[int, int, int], int] = {}
    names, rules = ["start"], list[tuple[int, tuple[Symbol, ...], Fraction]]()
    waiting: list[tuple[int, int, int]] = []

    def triple(q: int, head: int, r: int) -> int:
        if (q, head, r) not in number:
            number[q, head, r] = len(names)
            shown = grammar.nonterminals[head] if head < len(grammar.nonterminals) else f"rest {head}"
            names.append(f"{shown}[{q},{r}]")
            waiting.append((q, head, r))
        return number[q, head, r]

    for r in np.flatnonzero(event.accept).tolist():
        if derives[grammar.start][event.start, r]:
            rules.append((0, (~triple(event.start, grammar.start, r),), Fraction(1)))
    own: list[list[Rule]] = [[] for _ in range(count)]
    for rule in short:
        own[rule.lhs].append(rule)
    while waiting:
        q, head, r = waiting.pop()
        here = number[q, head, r]
        for rule in own[head]:
            for middle in _middles(rule, q, r, derives, event):
                stops = (q, *middle, r)
                rhs = tuple(
                    symbol if symbol > 0 else ~triple(stops[at], ~symbol, stops[at + 1])
                    for at, symbol in enumerate(rule.rhs)
                )
                rules.append((here, rhs, rule.p))
        if len(rules) > MAX_RULES:
            raise SpecificationError(
                f"{place}: the grammar and the event (an automaton of {Q} states) must have at most {MAX_RULES} rules "
                "together, found more; simplify one of them"
            )
    return required(_merged(grammar.vocabulary, names, rules) if rules else None, place)


def _merged(
    vocabulary: Vocabulary, names: Sequence[str], rules: Sequence[tuple[int, tuple[Symbol, ...], Fraction]]
) -> tuple[ContextFree, float] | None:
    """As `normalised`, after rules that have become equal are merged. A terminal can hide the state between symbols."""
    return normalised(vocabulary, names, [(*key, weight) for key, weight in merged(rules).items()], 0)


def _derivable(short: Sequence[Rule], count: int, event: Dfa) -> list[np.ndarray]:
    """Whether each non-terminal derives a string that leads from one state of the event to another: bool[Q, Q] each."""
    Q = len(event.accept)
    derives = [np.zeros((Q, Q), bool) for _ in range(count)]
    steps = {symbol: _step(event, symbol) for rule in short for symbol in rule.rhs if symbol > 0}
    changed = True
    while changed:
        changed = False
        for rule in short:
            found = np.eye(Q, dtype=bool)
            for symbol in rule.rhs:
                found = found @ (steps[symbol] if symbol > 0 else derives[~symbol])
            more = derives[rule.lhs] | found
            if (more != derives[rule.lhs]).any():
                derives[rule.lhs], changed = more, True
    return derives


def _step(event: Dfa, symbol: int) -> np.ndarray:
    table = np.zeros((len(event.accept),) * 2, bool)
    table[np.arange(len(table)), event.next_state[:, symbol]] = True
    return table


def _middles(rule: Rule, q: int, r: int, derives: Sequence[np.ndarray], event: Dfa) -> list[tuple[int, ...]]:
    """The states between the symbols of a right-hand side, for every path from q to r; [] if there is no path."""

    def after(symbol: int, state: int) -> np.ndarray:
        if symbol > 0:
            return np.array([event.next_state[state, symbol]])
        return np.flatnonzero(derives[~symbol][state])

    if not rule.rhs:
        return [()] if q == r else []
    if len(rule.rhs) == 1:
        return [()] if r in after(rule.rhs[0], q) else []
    return [(int(m),) for m in after(rule.rhs[0], q) if r in after(rule.rhs[1], int(m))]


def truncated(grammar: ContextFree, length: int, place: str = "grammar") -> tuple[ContextFree, float]:
    """P(. | |x| <= `length` - 1 symbols), again as a grammar, and log P(|x| <= `length` - 1) [nat]; exact.

    The new non-terminals are pairs (A, n) in which A derives exactly n symbols. Raises `SpecificationError` if every
    string is longer, or if there might be over 400 000 rules.
    """
    short, count = binarised(grammar.rules, len(grammar.nonterminals))
    most = max(length, 0) - 1
    if most < 0:
        return required(None, place)
    if len(short) * length * length // 2 > MAX_RULES:
        raise SpecificationError(
            f"{place}: a horizon with at most {MAX_RULES} rules is required, found length {length}; lower it"
        )
    possible = _lengths(short, count, most)
    begun = np.flatnonzero(possible[grammar.start]).tolist()
    rules: list[Weighted] = [(0, (~_at((grammar.start, n), length),), Fraction(1)) for n in begun]
    for rule in short:
        head, children = 1 + rule.lhs * length, rule.children
        for n in range(rule.num_terminals, length):
            rest = n - rule.num_terminals
            if not children and rest:
                continue
            for sizes in [()] if not children else [(rest,)] if len(children) == 1 else _pairs(rest):
                if all(possible[child, size] for child, size in zip(children, sizes, strict=True)):
                    parts = iter(zip(children, sizes, strict=True))
                    rhs = tuple(symbol if symbol > 0 else ~_at(next(parts), length) for symbol in rule.rhs)
                    rules.append((head + n, rhs, rule.p))
    shown = [*grammar.nonterminals, *(f"rest {number}" for number in range(len(grammar.nonterminals), count))]
    names = ["start", *(f"{name}[{n}]" for name in shown for n in range(length))]
    return required(normalised(grammar.vocabulary, names, rules, 0), place)


def _at(part: tuple[int, int], length: int) -> int:
    return 1 + part[0] * length + part[1]


def _pairs(total: int) -> list[tuple[int, int]]:
    return [(size, total - size) for size in range(total + 1)]


def _lengths(short: Sequence[Rule], count: int, most: int) -> np.ndarray:
    """Whether each non-terminal derives a string of n symbols: bool[count, most + 1]."""
    possible = np.zeros((count, most + 1), bool)
    changed = True
    while changed:
        changed = False
        for rule in short:
            found = np.zeros(most + 1, bool)
            if rule.num_terminals <= most:
                found[rule.num_terminals] = True
            for child in rule.children:
                found = np.convolve(found, possible[child])[: most + 1] > 0
            more = possible[rule.lhs] | found
            if (more != possible[rule.lhs]).any():
                possible[rule.lhs], changed = more, True
    return possible
