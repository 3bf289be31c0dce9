"""Hidden chains that never stop, in fractions: blocks by the sum over all paths of states."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

import mpmath

from sim.selftest.oracles import chains
from sim.selftest.oracles.lists import Law, Symbols
from sim.selftest.oracles.machines import Arc
from sim.selftest.oracles.numbers import entropy


def blocks(first: Sequence[Fraction], arcs: Iterable[Arc], number: int) -> Law:
    """Return the blocks of `number` symbols that can occur, with their probabilities."""
    found: dict[Symbols, Fraction] = {}
    following: list[list[Arc]] = [[] for _ in first]
    for arc in arcs:
        following[arc[0]].append(arc)

    def walk(x: tuple[int, ...], state: int, p: Fraction) -> None:
        if len(x) == number:
            found[x] = found.get(x, Fraction(0)) + p
            return
        for _, a, t, q in following[state]:
            walk((*x, a), t, p * q)

    for state, p in enumerate(first):
        if p:
            walk((), state, p)
    return found


def stationary(arcs: Iterable[Arc], size: int) -> list[Fraction]:
    """Return the stationary law of an irreducible chain from its balance equations; one of them is the sum 1."""
    moves = [[Fraction(0)] * size for _ in range(size)]
    for s, _, t, p in arcs:
        moves[s][t] += p
    balance = [[moves[s][t] - (s == t) for s in range(size)] + [Fraction(0)] for t in range(1, size)]
    return chains.solved([[Fraction(1)] * (size + 1), *balance])


def shares(arcs: Iterable[Arc], size: int, symbols: int) -> list[Fraction]:
    """Return the long-run share of every symbol of an irreducible chain; symbol 0 is the end, which never comes."""
    arcs = list(arcs)
    law = stationary(arcs, size)
    return [sum((law[s] * p for s, b, _, p in arcs if b == a), Fraction(0)) for a in range(symbols + 1)]


def rate_bounds(arcs: Iterable[Arc], size: int, number: int) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Return H(X_n | X_1..X_{n-1}, S_1) and H(X_n | X_1..X_{n-1}) from the stationary law, for n = `number`."""
    arcs = list(arcs)
    law = stationary(arcs, size)

    def last(first: Sequence[Fraction]) -> mpmath.mpf:
        longer, shorter = (entropy(blocks(first, arcs, n).values()) for n in (number, number - 1))
        return longer - shorter

    ends = [[Fraction(s == t) for t in range(size)] for s in range(size)]
    given = (mpmath.mpf(p.numerator) / p.denominator * last(one) for p, one in zip(law, ends, strict=True))
    return mpmath.fsum(given), last(law)


def following(known: Law, x: tuple[int, ...], symbols: int) -> list[Fraction]:
    """Return the law of the symbol after `x` from the blocks `known` that are one symbol longer."""
    some = [known.get((*x, a), Fraction(0)) for a in range(symbols + 1)]
    return [p / sum(some) for p in some]
