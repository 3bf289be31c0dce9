"""Check hidden automata with rational probabilities against brute force over paths and sums over all walks."""

import random
from collections.abc import Iterator

import mpmath

from sim.languages.hidden import HiddenAutomaton
from sim.languages.moments import path_varentropy, varentropy
from sim.languages.paths import likeliest_path, viterbi
from sim.selftest import drawn_walks
from sim.selftest.checks import REFUSED, Check, attempt
from sim.selftest.drawn import LOG_FLOOR
from sim.selftest.families.automaton import TINY, moments, varentropy_of
from sim.selftest.narrowed import TOO_LONG, condition, without
from sim.selftest.oracles import machines, numbers, walks
from sim.selftest.oracles.lists import NONE
from sim.selftest.oracles.machines import Walk
from sim.selftest.walked import SHORT, ZERO, conditioned, lengths, listed, short_law, strings

ROUNDING = 1e-12
"""Relative slack of a bound: an exact bound may exceed the truth by its own rounding."""


def checks(rng: random.Random) -> Iterator[Check]:
    """Check a machine, its paths and entropy, and the same machine given an event or without some states and arcs."""
    symbols = rng.randint(1, 3)
    walk = drawn_walks.hidden(rng, symbols)
    language = drawn_walks.as_hidden(walk, symbols)
    yield from strings(rng, language, walk, symbols, floor=LOG_FLOOR)
    yield from lengths(rng, language, walk, symbols, short_law(walk, symbols))
    yield from listed(rng, language, walk, symbols)
    yield from _entropies(language, walk, symbols)
    yield from _bounds(language, walk, symbols)
    yield from _finite(language, walk, symbols)
    yield from moments(language, walk)
    yield from _varentropies(language, walk, symbols)
    yield from _likeliest_paths(rng, language, walk)
    yield Check("collision", language.collision(), walks.total(machines.twice(walk)))
    yield from condition(rng, language, walk, symbols, _kept)
    gone = {(s, a, t) for s, a, t, _ in walk.arcs if rng.random() < 0.2}
    yield from without(rng, language, walk, symbols, gone, _kept)


def _entropies(language: HiddenAutomaton, walk: Walk, symbols: int) -> Iterator[Check]:
    paths, ambiguous = walks.entropy(walk), machines.ambiguous(walk, symbols)
    found = attempt(language.entropy)
    yield Check("entropy", found, paths)
    yield Check("entropy is refused where a string has two paths", found == REFUSED, ambiguous)
    yield Check("unambiguous", language.unambiguous, not ambiguous)
    yield Check("entropy of paths", language.path_entropy(), paths)


def _varentropies(language: HiddenAutomaton, walk: Walk, symbols: int) -> Iterator[Check]:
    if walks.expected_length(walk) >= TOO_LONG:
        return
    wanted, found = varentropy_of(walk), attempt(lambda: varentropy(language))
    yield Check("varentropy", found, wanted, floor=TINY)
    yield Check("varentropy is refused where a string has two paths", found == REFUSED, not language.unambiguous)
    yield Check("varentropy of paths", path_varentropy(language), wanted, floor=TINY)


def _likeliest_paths(rng: random.Random, language: HiddenAutomaton, walk: Walk) -> Iterator[Check]:
    """Check the likeliest path, which visits no state twice, and that of one string, by listing all paths."""
    paths = list(machines.paths(walk, walk.size))
    best = likeliest_path(language)
    yield Check("likeliest path", best.log_p, numbers.log(max(p for _, p in paths)), floor=LOG_FLOOR)
    yield Check("string of the likeliest path", best.log_p <= language.log_prob(best.tokens) + ROUNDING, True)
    x, _ = rng.choice(paths)
    found = viterbi(language, x)
    wanted = max(p for y, p in paths if y == x)
    yield Check("likeliest path of a string", found.log_p, numbers.log(wanted), floor=LOG_FLOOR)
    steps = zip(x, found.states, found.states[1:], strict=False)
    own = float(language.initial[found.states[0]] * language.stopping[found.states[-1]])
    for a, s, t in steps:
        own *= float(language.transitions[a, s, t])
    yield Check("probability of the path that is named", own, wanted)


def _bounds(language: HiddenAutomaton, walk: Walk, symbols: int) -> Iterator[Check]:
    """Check the bounds of the entropy, and that they agree with the listed strings.

    The entropy of the strings is at least the part of the listed ones. It is at most this part plus what the paths of
    all other strings add to the entropy of paths.
    """
    shown = [dict.fromkeys(range(symbols + 1), NONE) for _ in range(walk.size)]
    for s, a, _, p in walk.arcs:
        shown[s][a] += p
    bounds = language.entropy_bounds()
    lower = walks.expected(walk, lambda s, a, t, p: -walks.log(shown[s][a] if a else p) if s >= 0 else mpmath.mpf(0))
    yield Check("lower bound of the entropy", bounds.lower, lower)
    with mpmath.workdps(numbers.DIGITS):  # for all of it: differences of rounded numbers may miss a true 0
        upper = walks.entropy(walk)
        yield Check("upper bound of the entropy", bounds.upper, upper)
        least = numbers.entropy(short_law(walk, symbols).values())
        most = least + upper - numbers.entropy(p for _, p in machines.paths(walk, SHORT))
        holds = bounds.lower * (1 - ROUNDING) <= most + ZERO and least <= bounds.upper * (1 + ROUNDING)
    yield Check("bounds contain the entropy", holds, True)


def _finite(language: HiddenAutomaton, walk: Walk, symbols: int) -> Iterator[Check]:
    """Check the entropies and the collision by enumeration, if all strings can be listed."""
    if machines.endless(walk):
        return
    law = short_law(walk, symbols, machines.deepest(walk) + 1)
    entropy, bounds = numbers.entropy(law.values()), language.entropy_bounds()
    yield Check("entropy by enumeration", attempt(language.entropy), entropy)
    holds = bounds.lower * (1 - ROUNDING) <= entropy <= bounds.upper * (1 + ROUNDING)
    yield Check("bounds contain the enumerated entropy", holds, True)
    yield Check("collision by enumeration", language.collision(), sum(p * p for p in law.values()))


def _kept(
    name: str, rng: random.Random, kept: HiddenAutomaton, log_mass: float, inside: Walk, symbols: int
) -> Iterator[Check]:
    yield from conditioned(name, rng, kept, log_mass, inside, symbols)
    yield Check(f"path entropy of P_{name}", kept.path_entropy(), walks.conditional_entropy(inside), floor=ZERO)
    yield Check(f"unambiguous P_{name}", kept.unambiguous, not machines.ambiguous(inside, symbols))
    if inside.size <= 5:
        squares = walks.total(machines.twice(inside)) / walks.total(inside) ** 2
        yield Check(f"collision of P_{name}", kept.collision(), squares)
