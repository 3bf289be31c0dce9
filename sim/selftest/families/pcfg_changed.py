"""Check grammars given an event, without some rules, cut at a length, and tilted, against crossed grammars."""

import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial

import mpmath
import numpy as np

from sim.languages.events import Dfa
from sim.languages.pcfg import weights
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.selftest import drawn_grammars
from sim.selftest.checks import Check
from sim.selftest.drawn import LOG_FLOOR, declined
from sim.selftest.oracles import crossed, fixed, grammars, numbers, parses
from sim.selftest.oracles.crossed import Event
from sim.selftest.oracles.grammars import INFINITY, Grammar, Rhs
from sim.selftest.oracles.parses import Law

TEMPERATURES = (0.2, 0.5, 0.9, 1.0, 1.0, 1.0 + 1e-12, 1.0 - 1e-12, 1.01, 1.3, 2.0, 2.0, 5.0)
"""Temperatures of tilts. At 1 a critical grammar stays critical."""

UNDERFLOW = fixed.ONE >> 250
"""Fixed-point numbers below this have lost too many digits, for example powers of small probabilities."""

HARDLY = 1e-60
"""Floor for a mean of 0, which a central difference knows to 1e-100."""

SQUARES = (7, 5, 3, 2, 2, 2, 1, 1, 1, 1)
"""Numbers n_i with sum 25 and squares that sum to 99.

So S -> S S with 1/100 and S -> x_i with n_i^2/100 is critical at temperature 2.
"""

Changed = tuple[ContextFree, float]


def checks(rng: random.Random) -> Iterator[Check]:
    """Check four changes of one grammar, and sometimes two special grammars."""
    grammar = drawn_grammars.grammar(rng, 3)
    language, heads = drawn_grammars.as_language(rng, grammar)
    event = _event(rng)
    dfa = Dfa(
        np.array([[0, *row] for row in event.moves]), np.array([q in event.accept for q in range(len(event.moves))]), 0
    )
    yield from _changed(rng, "A", partial(weights.condition, language, dfa), crossed.crossed(grammar, event))
    yield from _deleted(rng, language, grammar, heads)
    length = rng.randint(1, 4)
    short = crossed.crossed(grammar, crossed.shorter_than(length, 3))
    yield from _changed(rng, "short", partial(weights.truncated, language, length), short)
    yield from _tilted(rng, language, grammar)
    if rng.random() < 0.1:
        yield from _critical_at_two(rng)
    if rng.random() < 0.3:
        yield from _long(rng)


def _event(rng: random.Random) -> Event:
    size = rng.choice((1, 2, 2, 2, 3))
    moves = [[rng.randrange(size) for _ in range(3)] for _ in range(size)]
    return Event(moves, frozenset(q for q in range(size) if rng.random() < 0.5))


def _changed(rng: random.Random, name: str, change: Callable[[], Changed], wanted: Grammar) -> Iterator[Check]:
    """Check a changed grammar against the derivations that it keeps, with their original weights."""
    mass = grammars.masses(wanted.weighted())
    assert mass is not None, "the derivations that are kept have a mass of at most 1"
    if not mass[wanted.start]:
        yield Check("an impossible event is refused", declined(change, "P(A) must be positive"), True)
        return
    kept, log_mass = change()
    yield from _kept(rng, name, kept, log_mass, wanted, mass)


def _kept(
    rng: random.Random, name: str, kept: ContextFree, log_mass: float, wanted: Grammar, mass: dict[str, int]
) -> Iterator[Check]:
    yield Check(f"log P({name})", log_mass, fixed.log(mass[wanted.start]), floor=LOG_FLOOR)
    critical = fixed.slow(grammars.system(wanted.weighted()))
    yield Check(f"growth of P_{name}", kept.growth, "critical" if critical else "subcritical")
    rules = grammars.normalised(wanted.weighted(), mass)
    possible = {h: [(rhs, p) for rhs, p in wanted.rules[h] if rhs in dict(own)] for h, own in rules.items()}
    law = Law(Grammar(wanted.start, possible), rules)
    known = sorted(law.short(3))
    drawn = drawn_grammars.short_strings(rng, law.grammar, 1, 5)
    for x in [*rng.sample(known, min(len(known), 2)), *drawn]:
        derived = parses.num_derivations(law.grammar, wanted.start, x) > 0
        yield Check(f"strings of P_{name}", kept.log_prob(x) > -math.inf, derived)
        p, mass_of_prefix = law.string(x), law.prefix(x)
        if p > UNDERFLOW or not derived:
            yield Check(f"log P(x | {name})", kept.log_prob(x), fixed.log(p), floor=LOG_FLOOR)
        if mass_of_prefix > UNDERFLOW:
            yield Check(f"log P(prefix | {name})", kept.log_prefix(x), fixed.log(mass_of_prefix), floor=LOG_FLOOR)
    squares = grammars.masses({h: [(rhs, w * w >> fixed.PLACES) for rhs, w in own] for h, own in rules.items()})
    assert squares is not None, "squares of probabilities have a finite sum"
    yield Check(f"collision of P_{name}", kept.derivation_collision(), fixed.real(squares[wanted.start]))
    if critical:
        at = grammars.double_roots(rules)
        often = at.union(*(law.grammar.below[head] for head in at))
        emits = any(isinstance(s, int) for head in often for rhs, _ in law.grammar.rules[head] for s in rhs)
        yield Check(f"whether the length of P_{name} is infinite", kept.expected_length() == INFINITY, emits)
        yield Check(f"entropy of P_{name}, critical", kept.derivation_entropy(), INFINITY)
        return
    base = grammars.masses(wanted.weighted(), 3 * grammars.HALF_STEP)
    assert base is not None, "the masses are finite, as before"
    with mpmath.workdps(2 * numbers.DIGITS):
        total = fixed.real(base[wanted.start])
        mean = (
            grammars.expected(wanted, lambda h, rhs, p: mpmath.mpf(sum(isinstance(s, int) for s in rhs)), base) / total
        )
        surprise = -grammars.expected(wanted, lambda h, rhs, p: numbers.log(p), base) / total
        yield Check(f"expected length of P_{name}", kept.expected_length(), mean, floor=HARDLY)
        entropy = surprise + mpmath.log(total)
        yield Check(f"entropy of P_{name}", kept.derivation_entropy(), 0 if entropy < 1e-40 else entropy, floor=1e-6)


def _deleted(rng: random.Random, language: ContextFree, grammar: Grammar, heads: list[str]) -> Iterator[Check]:
    lost = {n for n in range(len(language.rules)) if rng.random() < 0.15}
    gone = {n for n in range(len(heads)) if rng.random() < 0.1}
    sides = set()
    for n in lost:
        rule = language.rules[n]
        sides.add((heads[rule.lhs], tuple(s if s > 0 else heads[~s] for s in rule.rhs)))
    wanted = crossed.deleted(grammar, {heads[n] for n in gone}, sides)
    yield from _changed(rng, "less", partial(weights.without, language, gone, lost), wanted)


def _tilted(rng: random.Random, language: ContextFree, grammar: Grammar) -> Iterator[Check]:
    temperature = rng.choice(TEMPERATURES)
    wanted = crossed.tilted(grammar, temperature)
    mass = grammars.masses(wanted.weighted())
    found = weights.tilted(language, temperature)
    yield Check("whether a tilt exists", found is not None, mass is not None)
    if found is not None and mass is not None:
        yield from _kept(rng, "tilt", *found, wanted, mass)


def _critical_at_two(rng: random.Random) -> Iterator[Check]:
    """Check the grammar of SQUARES at its critical temperature 2; x_i is the letter 1, i times."""
    rules: dict[str, list[tuple[Rhs, Fraction]]] = {
        "S": [(("S", "S"), Fraction(1, 100)), *(((1,) * i, Fraction(n * n, 100)) for i, n in enumerate(SQUARES))]
    }
    grammar = Grammar("S", rules)
    language, _ = drawn_grammars.as_language(rng, grammar)
    wanted = crossed.tilted(grammar, 2.0)
    found = weights.tilted(language, 2.0)
    yield Check("a tilt that is just possible", found is not None, True)
    yield Check("a tilt that is just impossible", weights.tilted(language, 2.0 + 1e-14) is None, True)
    if found is not None:
        mass = grammars.masses(wanted.weighted())
        assert mass is not None, "the total weight of S is 5"
        yield from _kept(rng, "critical tilt", *found, wanted, mass)


def _long(rng: random.Random) -> Iterator[Check]:
    """Check the tilt of strings of 2^k letters, which k doublings derive."""
    levels, share = rng.randint(1, 14), Fraction(rng.randint(1, 999), 1000)
    rules = [Rule(n, (~(n + 1), ~(n + 1)), Fraction(1)) for n in range(levels)]
    rules += [Rule(levels, (1,), share), Rule(levels, (2,), 1 - share)]
    names = tuple(f"A{n}" for n in range(levels + 1))
    language = ContextFree(drawn_grammars.LETTERS, names, tuple(rules))
    temperature = rng.choice((0.05, 0.3, 1.0, 3.0, 20.0))
    found = weights.tilted(language, temperature)
    assert found is not None, "every tilt of a finite language exists"
    log_total, entropy = crossed.doubling(levels, (share, 1 - share), temperature)
    yield Check("log Z of long strings", found[1], log_total, floor=LOG_FLOOR)
    yield Check("entropy of the tilt of long strings", found[0].derivation_entropy(), entropy)
