"""Hidden automata with rational probabilities, against brute force over paths and sums over all walks."""

import random
from collections.abc import Iterator
from fractions import Fraction
from functools import partial

import mpmath

from sim.languages.hidden import HiddenAutomaton
from sim.selftest import drawn_walks
from sim.selftest.checks import Check, attempt
from sim.selftest.drawn import LOG_FLOOR, declined, logs
from sim.selftest.oracles import machines, numbers, walks
from sim.selftest.oracles.lists import NONE
from sim.selftest.oracles.machines import Walk
from sim.selftest.walked import SHORT, ZERO, conditioned, lengths, listed, short_law, strings

ROUNDING = 1e-12
"""Relative, of a bound: an exact one may pass the truth by its own rounding."""


def checks(rng: random.Random) -> Iterator[Check]:
    """A machine, its paths and its entropy, and what it makes of an event and of the loss of states and arcs."""
    symbols = rng.randint(1, 3)
    walk = drawn_walks.hidden(rng, symbols)
    language = drawn_walks.as_hidden(walk, symbols)
    yield from strings(rng, language, walk, symbols, floor=LOG_FLOOR)
    yield from lengths(rng, language, walk, symbols, short_law(walk, symbols))
    yield from listed(rng, language, walk, symbols)
    yield from _entropies(language, walk, symbols)
    yield from _bounds(language, walk, symbols)
    yield from _finite(language, walk, symbols)
    yield Check("collision", language.collision(), walks.total(machines.twice(walk)))
    yield from _condition(rng, language, walk, symbols)
    yield from _without(rng, language, walk, symbols)


def _entropies(language: HiddenAutomaton, walk: Walk, symbols: int) -> Iterator[Check]:
    paths, ambiguous = walks.entropy(walk), machines.ambiguous(walk, symbols)
    found = attempt(language.entropy)
    yield Check("entropy", found, paths)
    yield Check("entropy is refused where a string has two paths", found is None, ambiguous)
    yield Check("unambiguous", language.unambiguous, not ambiguous)
    yield Check("entropy of paths", language.path_entropy(), paths)


def _bounds(language: HiddenAutomaton, walk: Walk, symbols: int) -> Iterator[Check]:
    """The bounds themselves, and whether they hold what listed strings say.

    The entropy of the strings is at least the part of those listed, and at most that and the entropy of the paths of
    all others.
    """
    shown = [dict.fromkeys(range(symbols + 1), NONE) for _ in range(walk.size)]
    for s, a, _, p in walk.arcs:
        shown[s][a] += p
    bounds = language.entropy_bounds()
    lower = -walks.expected(walk, lambda s, a, t, p: walks.log(shown[s][a] if a else p) if s >= 0 else mpmath.mpf(0))
    yield Check("lower bound of the entropy", bounds.lower, lower)
    with mpmath.workdps(numbers.DIGITS):  # all of it: a difference of rounded numbers is not 0 where it should be
        upper = walks.entropy(walk)
        yield Check("upper bound of the entropy", bounds.upper, upper)
        least = numbers.entropy(short_law(walk, symbols).values())
        most = least + upper - numbers.entropy(p for _, p in machines.paths(walk, SHORT))
        holds = bounds.lower * (1 - ROUNDING) <= most + ZERO and least <= bounds.upper * (1 + ROUNDING)
    yield Check("bounds hold the entropy", holds, True)


def _finite(language: HiddenAutomaton, walk: Walk, symbols: int) -> Iterator[Check]:
    """Where all strings can be listed."""
    if machines.endless(walk):
        return
    law = short_law(walk, symbols, machines.deepest(walk) + 1)
    entropy, bounds = numbers.entropy(law.values()), language.entropy_bounds()
    yield Check("entropy by enumeration", attempt(language.entropy), entropy)
    holds = bounds.lower * (1 - ROUNDING) <= entropy <= bounds.upper * (1 + ROUNDING)
    yield Check("bounds hold the entropy by enumeration", holds, True)
    yield Check("collision by enumeration", language.collision(), sum(p * p for p in law.values()))


def _condition(rng: random.Random, language: HiddenAutomaton, walk: Walk, symbols: int) -> Iterator[Check]:
    event = drawn_walks.event(rng, symbols)
    dfa = drawn_walks.as_dfa(event)
    inside = walks.useful(machines.marked(walk, event))
    if not inside.size:
        refused = declined(partial(language.condition, dfa), "P(A) must be positive")
        yield Check("an impossible event is refused", refused, True)
        return
    kept, log_mass = language.condition(dfa)
    yield from _kept("A", rng, kept, log_mass, inside, symbols)
    law = {x: p for x, p in short_law(walk, symbols).items() if event.holds(x)}
    yield Check("strings of the event", short_law(inside, symbols) == law, True)
    if not machines.endless(walk):
        law = short_law(walk, symbols, machines.deepest(walk) + 1)
        mass = sum(p for x, p in law.items() if event.holds(x))
        yield Check("log P(A) by enumeration", log_mass, logs([Fraction(mass)])[0], floor=LOG_FLOOR)


def _without(rng: random.Random, language: HiddenAutomaton, walk: Walk, symbols: int) -> Iterator[Check]:
    lost = rng.sample(range(walk.size), rng.choice((0, 0, 1)))
    gone = {(s, a, t) for s, a, t, _ in walk.arcs if rng.random() < 0.2}
    left = walks.useful(machines.avoiding(walk, lost, lambda s, a, t: (s, a, t) in gone))
    if not left.size:
        refused = declined(partial(language.without, lost, gone), "P(A) must be positive")
        yield Check("the loss of all strings is refused", refused, True)
        return
    kept, log_mass = language.without(lost, gone)
    yield from _kept("lost", rng, kept, log_mass, left, symbols)


def _kept(
    name: str, rng: random.Random, kept: HiddenAutomaton, log_mass: float, inside: Walk, symbols: int
) -> Iterator[Check]:
    yield from conditioned(name, rng, kept, log_mass, inside, symbols)
    yield Check(f"path entropy of P_{name}", kept.path_entropy(), walks.conditional_entropy(inside), floor=ZERO)
    yield Check(f"unambiguous P_{name}", kept.unambiguous, not machines.ambiguous(inside, symbols))
    if inside.size <= 5:
        squares = walks.total(machines.twice(inside)) / walks.total(inside) ** 2
        yield Check(f"collision of P_{name}", kept.collision(), squares)
