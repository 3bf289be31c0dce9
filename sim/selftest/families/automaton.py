"""Check deterministic automata with rational probabilities against brute force and fixed-point sums over all walks."""

import math
import random
from collections.abc import Iterator
from itertools import islice

import mpmath

from sim.languages.automaton import Automaton
from sim.languages.hidden import HiddenAutomaton
from sim.languages.moments import length_variance, varentropy
from sim.languages.spectrum import spectral_radius
from sim.selftest import drawn_walks
from sim.selftest.checks import Check
from sim.selftest.narrowed import TOO_LONG, condition, without
from sim.selftest.oracles import machines, numbers, variances, walks
from sim.selftest.oracles.lists import NONE
from sim.selftest.oracles.machines import Walk
from sim.selftest.walked import ZERO, conditioned, lengths, listed, short_law, strings

TINY = 1e-18
"""Floor for variances: a true variance of 0 is found as the square of a rounding error."""

SMALL = 1e-9
"""Floor for divergences of nearly equal machines: the rounding of their logs changes a term by 1e-16."""


def checks(rng: random.Random) -> Iterator[Check]:
    """Check a machine, the machine given an event or without some states and arcs, and its divergence to another."""
    symbols = rng.randint(1, 3)
    walk = drawn_walks.deterministic(rng, symbols)
    language = drawn_walks.as_automaton(walk, symbols)
    law = short_law(walk, symbols)
    yield from _whole(language, walk, symbols)
    yield from strings(rng, language, walk, symbols, floor=0.0)
    yield from lengths(rng, language, walk, symbols, law)
    yield from listed(rng, language, walk, symbols)
    yield from _positions(language, walk, symbols)
    yield from condition(rng, language, walk, symbols, _kept)
    gone = {(rng.randrange(walk.size), rng.randint(0, symbols)) for _ in range(rng.randint(0, 3))}
    yield from without(rng, language, walk, symbols, gone, _kept)
    yield from moments(language, walk)
    yield from _divergence(rng, language, walk, symbols)


def _whole(language: Automaton, walk: Walk, symbols: int) -> Iterator[Check]:
    yield Check("entropy", language.entropy(), walks.entropy(walk))
    if walks.expected_length(walk) < TOO_LONG:
        yield Check("varentropy", varentropy(language), varentropy_of(walk), floor=TINY)
    yield Check("collision", language.collision(), walks.total(walk, 2))
    if not machines.endless(walk):
        law = short_law(walk, symbols, machines.deepest(walk) + 1)
        yield Check("entropy by enumeration", language.entropy(), numbers.entropy(law.values()))
        yield Check("collision by enumeration", language.collision(), sum(p * p for p in law.values()))


def moments(language: Automaton | HiddenAutomaton, walk: Walk) -> Iterator[Check]:
    """Check the variance of the length, and the spectral radius of the moves between the states that occur."""
    if walks.expected_length(walk) < TOO_LONG:
        wanted = variances.of_walk(walk, lambda s, a, t, p: mpmath.mpf(s >= 0 and t >= 0))
        yield Check("variance of the length", length_variance(language), wanted, floor=TINY)
    seen = sorted(machines.reached(walk))
    moves = [[sum((p for s, _, t, p in walk.arcs if (s, t) == (i, j)), NONE) for j in seen] for i in seen]
    found = spectral_radius(language)
    wanted = variances.spectral_radius(moves)
    if found.exact:
        yield Check("spectral radius", found.lower, wanted, floor=SMALL)
    rounding = 1e-13 * float(wanted) + TINY
    yield Check("spectral radius within its ends", found.lower - rounding <= wanted <= found.upper + rounding, True)


def varentropy_of(walk: Walk) -> mpmath.mpf:
    """Return the variance of -log P(path)."""
    return variances.of_walk(walk, lambda s, a, t, p: walks.log(p))


def _positions(language: Automaton, walk: Walk, symbols: int) -> Iterator[Check]:
    entropies, alive = [], []
    for level in islice(machines.by_length(walk, symbols), 4):
        masses = {x: sum(here.values(), NONE) for x, here in level.items()}
        laws = {x: machines.next_law(walk, x, symbols) for x in level}
        with mpmath.workdps(numbers.DIGITS):
            entropies.append(mpmath.fsum(numbers.real(masses[x]) * numbers.entropy(laws[x]) for x in level))
        alive.append(sum(masses.values(), NONE))
    found = language.position_entropies(len(alive))
    yield Check("entropies of positions", found[0], entropies)
    yield Check("mass alive at positions", found[1], alive)


def _kept(
    name: str, rng: random.Random, kept: Automaton, log_mass: float, inside: Walk, symbols: int
) -> Iterator[Check]:
    yield from conditioned(name, rng, kept, log_mass, inside, symbols)
    yield Check(f"H(P_{name})", kept.entropy(), walks.conditional_entropy(inside), floor=ZERO)
    yield Check(f"collision of P_{name}", kept.collision(), walks.total(inside, 2) / walks.total(inside) ** 2)


def _divergence(rng: random.Random, language: Automaton, walk: Walk, symbols: int) -> Iterator[Check]:
    near = rng.random() < 0.8
    other = drawn_walks.varied(rng, walk) if near else drawn_walks.deterministic(rng, symbols)
    q = drawn_walks.as_automaton(other, symbols)
    both, second = machines.paired(walk, other)
    if machines.lacking(walk, other):
        yield Check("KL(P || Q), infinite", language.kl(q), math.inf)
    elif walks.expected_length(walk) < TOO_LONG:
        wanted = walks.expected(
            both, lambda s, a, t, p: walks.log(p) - walks.log(second[s, a]) if s >= 0 else mpmath.mpf(0)
        )
        yield Check("KL(P || Q)", language.kl(q), wanted, floor=SMALL)
    yield Check("square Hellinger", language.square_hellinger(q), walks.square_hellinger(both, second), floor=SMALL)
    yield Check("KL(P || P)", language.kl(language), 0.0)
    yield Check("square Hellinger of P and P", language.square_hellinger(language), 0.0)
