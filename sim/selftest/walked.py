"""Checks of machines of every kind: their strings, their prefixes, and the lengths of their strings."""

import math
import random
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import islice
from typing import TypeAlias

import mpmath

from sim.languages.automaton import Automaton
from sim.languages.hidden import HiddenAutomaton
from sim.selftest.checks import Check
from sim.selftest.drawn import LOG_FLOOR, declined, logs, strings_of
from sim.selftest.oracles import lists, machines, numbers, walks
from sim.selftest.oracles.lists import NONE, Law, Symbols
from sim.selftest.oracles.machines import Walk

Walked: TypeAlias = Automaton | HiddenAutomaton
"""The kinds of machines."""

SHORT = 5
"""Horizon [tokens] up to which all strings are listed by brute force."""

MOST = 400
"""A language is listed if it has at most this many strings."""

ZERO = 1e-40
"""Floor for an entropy of 0 (one string is left): the oracle gets it as a difference of numbers with 100 digits."""


def short_law(walk: Walk, symbols: int, length: int = SHORT) -> dict[Symbols, Fraction]:
    """Return every possible string of fewer than `length` symbols, with its probability."""
    prefixes = islice(machines.by_length(walk, symbols), length)
    law = {x: machines.ending(walk, here) for level in prefixes for x, here in level.items()}
    return {x: p for x, p in law.items() if p}


def strings(rng: random.Random, language: Walked, walk: Walk, symbols: int, floor: float) -> Iterator[Check]:
    """Check strings and prefixes: possible ones, random ones, and invalid ones."""
    V = symbols + 1
    known = sorted(short_law(walk, symbols, 4))
    drawn = [tuple(rng.choices(range(1, V), k=rng.randint(0, 7))) for _ in range(3)]
    for x in [*rng.sample(known, min(len(known), 4)), *drawn]:
        here = machines.forward(walk, x)
        p, mass = machines.ending(walk, here), sum(here.values(), NONE)
        yield Check("log P(x)", language.log_prob([*x, *[0] * rng.randint(0, 2)]), logs([p])[0], floor=floor)
        yield Check("log P(prefix)", language.log_prefix(x), logs([mass])[0], floor=floor)
        if mass:
            wanted = logs(machines.next_law(walk, x, symbols))
            yield Check("log P(. | prefix)", language.next_log_probs(x), wanted, floor=floor)
        else:
            refused = declined(partial(language.next_log_probs, x), "has probability 0")
            yield Check("no law after an impossible prefix", refused, True)
    for nonsense in ([V], [-1], [1, V + 3]):
        yield Check("log P(invalid tokens)", language.log_prob(nonsense), -math.inf)


def lengths(rng: random.Random, language: Walked, walk: Walk, symbols: int, law: Law) -> Iterator[Check]:
    """Check the numbers of symbols and of strings, and the mass that a horizon drops."""
    yield Check("expected length", language.expected_length(), walks.expected_length(walk))
    endless = machines.endless(walk)
    yield Check("longest", language.longest, math.inf if endless else machines.deepest(walk))
    counts = machines.num_strings(walk, 40, symbols)
    size = math.inf if endless else sum(counts)
    yield Check("support size", language.support_size, size)
    yield Check("counts", language.counts(40), counts)
    length = rng.randint(0, 40)
    yield Check("count", language.count(length), sum(counts[:length]))
    by_length = [sum((p for x, p in law.items() if len(x) == n), NONE) for n in range(SHORT)]
    yield Check("strings by brute force", [sum(len(x) == n for x in law) for n in range(SHORT)], counts[:SHORT])
    number = rng.randint(0, SHORT)
    yield Check("length law", language.length_law(number), by_length[:number])
    yield from horizons(rng, language, walk, sum(by_length, NONE))


def horizons(rng: random.Random, language: Walked, walk: Walk, within: Fraction) -> Iterator[Check]:
    """Check the mass within and beyond a number of tokens, for short and long horizons."""
    yield Check("log mass within", language.log_mass_within(SHORT), logs([within])[0], floor=LOG_FLOOR)
    yield Check("dropped mass", language.dropped_mass(SHORT), 1 - within)
    far = rng.choice((0, 1, 2, 17, 300))
    dropped = walks.beyond(walk, far)
    yield Check("dropped mass far away", language.dropped_mass(far), dropped)
    allowed = float(dropped) * rng.choice((0.8765432, 1.1234567))  # this factor avoids ties
    wanted = walks.horizon(walk, allowed, 2000) if allowed else None
    if wanted is not None:
        yield Check("shortest horizon", language.shortest_horizon(allowed), wanted)
    if machines.endless(walk):
        yield Check("no horizon drops nothing", language.shortest_horizon(0.0) is None, True)
    else:
        yield Check("shortest horizon without loss", language.shortest_horizon(0.0), machines.deepest(walk) + 1)


def listed(rng: random.Random, language: Walked, walk: Walk, symbols: int) -> Iterator[Check]:
    """Check the law of the strings within a horizon."""
    length = rng.randint(1, SHORT)
    kept, dropped = lists.within(short_law(walk, symbols, length), length)
    if not kept:
        yield Check(
            "too short a horizon is refused", declined(partial(language.enumerate, length, 9), "at least"), True
        )
        return
    if len(kept) > MOST:
        refused = declined(partial(language.enumerate, length, len(kept) - 1), "max_strings")
        yield Check("too many strings are refused", refused, True)
        return
    found, lost = language.enumerate(length, len(kept))
    listed = strings_of(found)
    yield Check("law of short strings", found.log_p, logs(lists.in_order(kept, listed)), floor=LOG_FLOOR)
    yield Check("short strings", set(listed) == set(kept) and len(listed) == len(kept), True)
    yield Check("mass beyond short strings", lost, dropped)


def conditioned(
    name: str, rng: random.Random, kept: Walked, log_mass: float, inside: Walk, symbols: int
) -> Iterator[Check]:
    """Check a conditioned machine against the walks that it keeps, with their original probabilities."""
    with mpmath.workdps(walks.DIGITS):
        mass = walks.total(inside)
        log, length = mpmath.log(mass), walks.expected_length(inside) / mass
    yield Check(f"log P({name})", log_mass, log, floor=LOG_FLOOR)
    yield Check(f"expected length of P_{name}", kept.expected_length(), length)
    law = short_law(inside, symbols)
    drawn = [tuple(rng.choices(range(1, symbols + 1), k=rng.randint(0, 5))) for _ in range(2)]
    for x in [*rng.sample(sorted(law), min(4, len(law))), *drawn]:
        p = machines.ending(inside, machines.forward(inside, x))
        with mpmath.workdps(walks.DIGITS):
            wanted = numbers.log(p) - log
        yield Check(f"log P(x | {name})", kept.log_prob(x), wanted, floor=LOG_FLOOR)
    endless = machines.endless(inside)
    yield Check(f"longest of P_{name}", kept.longest, math.inf if endless else machines.deepest(inside))
    yield Check(f"counts of P_{name}", kept.counts(12), machines.num_strings(inside, 12, symbols))
