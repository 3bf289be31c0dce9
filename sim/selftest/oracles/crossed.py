"""Changes of a grammar: strings in an event, deleted rules, tilts. Each result is a grammar with other weights."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import mpmath

from sim.selftest.oracles import fixed, numbers
from sim.selftest.oracles.grammars import Grammar, Rhs
from sim.selftest.oracles.lists import Symbols

BEGIN = "*"
"""Start symbol of a crossed grammar."""


@dataclass(frozen=True)
class Event:
    """The strings that lead from state 0 to a state in `accept`. moves[q][token - 1] is the next state."""

    moves: Sequence[Sequence[int]]
    accept: frozenset[int]

    def holds(self, string: Symbols) -> bool:
        """Return whether a string is in the event."""
        state = 0
        for token in string:
            state = self.moves[state][token - 1]
        return state in self.accept


def shorter_than(length: int, symbols: int) -> Event:
    """Return the event of strings of fewer than `length` symbols."""
    moves = [[min(q + 1, length)] * symbols for q in range(length + 1)]
    return Event(moves, frozenset(range(length)))


def crossed(grammar: Grammar, event: Event) -> Grammar:
    """Return a grammar of the derivations of the strings in the event, with their weights.

    The name of a non-terminal contains the states of the event before and after it.
    """
    ends: dict[tuple[str, int], set[int]] = {(h, q): set() for h in grammar.rules for q in range(len(event.moves))}
    changed = True
    while changed:
        changed = False
        for (head, q), found in ends.items():
            more = {path[-1] for rhs, _ in grammar.rules[head] for path in _paths(rhs, q, ends, event)}
            changed |= not more <= found
            found |= more
    rules: dict[str, list[tuple[Rhs, Fraction]]] = {BEGIN: []}
    work = [(grammar.start, 0, r) for r in sorted(event.accept & ends[grammar.start, 0])]
    rules[BEGIN] = [((_named(*triple),), Fraction(1)) for triple in work]
    while work:
        head, q, r = work.pop()
        if _named(head, q, r) in rules:
            continue
        own = rules[_named(head, q, r)] = []
        for rhs, p in grammar.rules[head]:
            for path in _paths(rhs, q, ends, event):
                if path[-1] == r:
                    triples = [(s, path[i], path[i + 1]) for i, s in enumerate(rhs) if isinstance(s, str)]
                    numbered = iter(triples)
                    own.append((tuple(s if isinstance(s, int) else _named(*next(numbered)) for s in rhs), p))
                    work += triples
    return Grammar(BEGIN, rules)


def _named(head: str, q: int, r: int) -> str:
    return f"{q}{head}{r}"


def _paths(rhs: Rhs, q: int, ends: dict[tuple[str, int], set[int]], event: Event) -> Iterator[list[int]]:
    """Yield the possible states before, between and after the symbols of a right-hand side."""
    if not rhs:
        yield [q]
        return
    following = [event.moves[q][rhs[0] - 1]] if isinstance(rhs[0], int) else sorted(ends[rhs[0], q])
    for state in following:
        for rest in _paths(rhs[1:], state, ends, event):
            yield [q, *rest]


def deleted(grammar: Grammar, heads: Collection[str], lost: Collection[tuple[str, Rhs]]) -> Grammar:
    """Return the grammar without some non-terminals and rules."""
    rules = {
        head: [
            (rhs, p)
            for rhs, p in own
            if head not in heads and (head, rhs) not in lost and not any(s in heads for s in rhs)
        ]
        for head, own in grammar.rules.items()
    }
    return Grammar(grammar.start, rules)


def tilted(grammar: Grammar, temperature: float) -> Grammar:
    """Return the grammar with weights p^(1/tau), to the last place in fixed point."""
    rules = {
        head: [(rhs, Fraction(_power(p, temperature), fixed.ONE)) for rhs, p in own]
        for head, own in grammar.rules.items()
    }
    return Grammar(grammar.start, rules)


def _power(p: Fraction, temperature: float) -> int:
    with mpmath.workprec(2 * fixed.PLACES):
        return fixed.rounded(mpmath.power(mpmath.mpf(p.numerator) / p.denominator, 1 / mpmath.mpf(temperature)))


def doubling(levels: int, weights: Sequence[Fraction], temperature: float) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Return log Z and the entropy [nat] of the tilt of 2^levels letters that are drawn independently."""
    with mpmath.workdps(2 * numbers.DIGITS):
        logs = [mpmath.log(numbers.real(p)) / temperature for p in weights]
        log_total = mpmath.log(mpmath.fsum(mpmath.exp(v) for v in logs))
        shares = [mpmath.exp(v - log_total) for v in logs]
        entropy = -mpmath.fsum(s * (v - log_total) for s, v in zip(shares, logs, strict=True))
        return 2**levels * log_total, 2**levels * entropy
