"""Chains that never stop, in fractions: classes by reachability, laws by elimination, blocks by enumeration."""

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

import mpmath

from sim.selftest.oracles.lists import Symbols
from sim.selftest.oracles.numbers import DIGITS, entropy, log, real

Rows: TypeAlias = Sequence[dict[int, tuple[int, Fraction]]]
"""For every state: symbol -> (next state, probability)."""


def moves(rows: Rows) -> list[list[Fraction]]:
    """Return the matrix of transition probabilities between states."""
    found = [[Fraction(0)] * len(rows) for _ in rows]
    for s, row in enumerate(rows):
        for t, p in row.values():
            found[s][t] += p
    return found


def closed(rows: Rows) -> list[list[int]]:
    """Return the closed classes: sets of states that lead to each other and to no others."""
    size = range(len(rows))
    leads = [[s == t or any(t == u for u, _ in rows[s].values()) for t in size] for s in size]
    for k in size:
        leads = [[leads[s][t] or (leads[s][k] and leads[k][t]) for t in size] for s in size]
    classes = [[t for t in size if leads[s][t]] for s in size if all(leads[t][s] for t in size if leads[s][t])]
    return [list(states) for states in sorted({tuple(states) for states in classes})]


def solved(rows: list[list[Fraction]]) -> list[Fraction]:
    """Solve A x = b by Gauss-Jordan elimination. Each row holds a row of A, then its entry of b."""
    rows = [list(row) for row in rows]
    for k in range(len(rows)):
        pivot = next(i for i in range(k, len(rows)) if rows[i][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(len(rows)):
            if i != k and rows[i][k]:
                rows[i] = [a - rows[i][k] * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def stationary(rows: Rows, states: Sequence[int]) -> list[Fraction]:
    """Return the stationary law of a closed class from its balance equations; one of them is replaced by the sum 1."""
    M = moves(rows)
    balance = [[M[s][t] - (s == t) for s in states] + [Fraction(0)] for t in states[1:]]
    return solved([[Fraction(1)] * (len(states) + 1), *balance])


def ends(rows: Rows, start: int, states: Sequence[int]) -> Fraction:
    """Probability of ending in a closed class, from the linear equations of the states outside all classes."""
    M, inside = moves(rows), {s for block in closed(rows) for s in block}
    passing = [s for s in range(len(rows)) if s not in inside]
    if start in inside:
        return Fraction(start in states)
    system = [[(s == t) - M[s][t] for t in passing] + [sum((M[s][t] for t in states), Fraction(0))] for s in passing]
    return solved(system)[passing.index(start)]


def long_run(rows: Rows, start: int) -> list[Fraction]:
    """Long-run share of time that is spent in every state."""
    found = [Fraction(0)] * len(rows)
    for block in closed(rows):
        share = ends(rows, start, block)
        for s, p in zip(block, stationary(rows, block), strict=True):
            found[s] += share * p
    return found


def entropy_rate(rows: Rows, start: int) -> mpmath.mpf:
    """Mean entropy of the next symbol in the long run [nat per symbol]."""
    with mpmath.workdps(DIGITS):
        times = [real(share) * entropy(p for _, p in rows[s].values()) for s, share in enumerate(long_run(rows, start))]
        return mpmath.fsum(times)


def blocks(rows: Rows, start: int, number: int) -> dict[Symbols, tuple[int, Fraction]]:
    """Return all blocks of the first `number` symbols, with the state that each leads to and its probability."""
    found: dict[Symbols, tuple[int, Fraction]] = {(): (start, Fraction(1))}
    for _ in range(number):
        found = {(*x, a): (t, p * q) for x, (s, p) in found.items() for a, (t, q) in rows[s].items()}
    return found


def excess(rows: Rows, states: Sequence[int], number: int) -> tuple[mpmath.mpf, bool]:
    """H(X_1..X_n) - n h [nat] of a closed class in its stationary law, and whether n symbols determine the state."""
    law = stationary(rows, states)
    words: dict[Symbols, dict[int, Fraction]] = {(): dict(zip(states, law, strict=True))}
    for _ in range(number):
        longer: dict[Symbols, dict[int, Fraction]] = {}
        for x, here in words.items():
            for s, p in here.items():
                for a, (t, q) in rows[s].items():
                    after = longer.setdefault((*x, a), {})
                    after[t] = after.get(t, Fraction(0)) + p * q
        words = longer
    with mpmath.workdps(DIGITS):
        rate = mpmath.fsum(real(p) * entropy(q for _, q in rows[s].values()) for s, p in zip(states, law, strict=True))
        whole = entropy(sum(here.values(), Fraction(0)) for here in words.values())
        return whole - number * rate, all(len(here) == 1 for here in words.values())


def kl_rate(p: Rows, q: Rows) -> mpmath.mpf:
    """Long-run mean of the divergence of the next symbol [nat]; inf if the second chain lacks a symbol of the first."""
    pairs, steps = [(0, 0)], list[dict[int, tuple[int, Fraction]]]()
    for s, t in pairs:  # this list grows during the loop
        step = {}
        for a, (after, weight) in p[s].items():
            if a not in q[t]:
                return mpmath.inf
            pair = (after, q[t][a][0])
            if pair not in pairs:
                pairs.append(pair)
            step[a] = (pairs.index(pair), weight)
        steps.append(step)
    with mpmath.workdps(DIGITS):
        return mpmath.fsum(
            real(share * weight) * (log(weight) - log(q[t][a][1]))
            for (s, t), share in zip(pairs, long_run(steps, 0), strict=True)
            for a, (_, weight) in p[s].items()
        )
