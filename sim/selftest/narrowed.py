"""Checks of machines of every kind after they are conditioned on an event, or lose states and arcs."""

import random
from collections.abc import Callable, Collection, Iterator
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

import mpmath

from sim.languages.automaton import Automaton
from sim.languages.hidden import HiddenAutomaton
from sim.selftest import drawn_walks
from sim.selftest.checks import Check
from sim.selftest.drawn import LOG_FLOOR, SMALL, declined, logs
from sim.selftest.oracles import machines, walks
from sim.selftest.oracles.machines import Walk
from sim.selftest.walked import short_law

Kept = TypeVar("Kept", Automaton, HiddenAutomaton)

TOO_LONG = 1e18
"""Expected symbols beyond which a KL is not compared: the rounding of arcs adds 1e-32 per symbol."""

Further = Callable[[str, random.Random, Kept, float, Walk, int], Iterator[Check]]
"""Checks of the machine that is left, from its name in the checks, log P(A), the walks that it keeps, and symbols."""


def condition(rng: random.Random, language: Kept, walk: Walk, symbols: int, further: Further[Kept]) -> Iterator[Check]:
    """Check conditioning on a random event. An impossible event must be refused."""
    event = drawn_walks.event(rng, symbols)
    dfa = drawn_walks.as_dfa(event)
    inside = walks.useful(machines.marked(walk, event))
    if not inside.size:
        refused = declined(partial(language.condition, dfa), "P(A) must be positive")
        yield Check("an impossible event is refused", refused, True)
        return
    kept, log_mass = language.condition(dfa)
    yield from further("A", rng, kept, log_mass, inside, symbols)
    short = kept.expected_length() < TOO_LONG
    if isinstance(language, Automaton) and isinstance(kept, Automaton) and short:
        with mpmath.workdps(walks.DIGITS):
            wanted = -mpmath.log(walks.total(inside))
        yield Check("KL(P_A || P)", kept.kl(language), wanted, floor=SMALL)
    law = {x: p for x, p in short_law(walk, symbols).items() if event.holds(x)}
    yield Check("strings of the event", short_law(inside, symbols) == law, True)
    if not machines.endless(walk):
        law = short_law(walk, symbols, machines.deepest(walk) + 1)
        mass = sum(p for x, p in law.items() if event.holds(x))
        yield Check("log P(A) by enumeration", log_mass, logs([Fraction(mass)])[0], floor=LOG_FLOOR)


def without(
    rng: random.Random, language: Kept, walk: Walk, symbols: int, gone: Collection[Any], further: Further[Kept]
) -> Iterator[Check]:
    """Check the loss of a random state and of the arcs `gone`, which are tuples that begin with (state, symbol)."""
    lost = rng.sample(range(walk.size), rng.choice((0, 0, 1)))
    left = walks.useful(machines.avoiding(walk, lost, lambda s, a, t: (s, a) in gone or (s, a, t) in gone))
    if not left.size:
        refused = declined(partial(language.without, lost, gone), "P(A) must be positive")
        yield Check("the loss of all strings is refused", refused, True)
        return
    kept, log_mass = language.without(lost, gone)
    yield from further("lost", rng, kept, log_mass, left, symbols)
