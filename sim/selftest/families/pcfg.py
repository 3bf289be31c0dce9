"""Check context-free grammars with rational probabilities against fixed point, sets of strings, and nltk's parser."""

import math
import random
from collections.abc import Iterator
from fractions import Fraction
from functools import partial

import mpmath

from sim.languages.moments import derivation_varentropy, length_variance, varentropy
from sim.languages.pcfg.language import ContextFree
from sim.languages.spectrum import spectral_radius
from sim.selftest import drawn_grammars
from sim.selftest.checks import REFUSED, Check, attempt
from sim.selftest.drawn import LOG_FLOOR, SMALL, declined, strings_of
from sim.selftest.oracles import fixed, grammars, numbers, parses, variances
from sim.selftest.oracles.grammars import INFINITY, Grammar
from sim.selftest.oracles.lists import Symbols
from sim.selftest.oracles.parses import Law

SHORT = 4
"""Horizon [tokens] up to which all strings are listed by brute force."""

HARDLY = 1e-45
"""Floor for 1 minus a mass: critical masses are known to 1e-60. `_finite` checks dropped masses that are exactly 0."""

TINY = 1e-18
"""Floor for variances: a true variance of 0 is found as the square of a rounding error."""

MOST = 300
"""A finite language is listed if it has at most this many strings."""


def checks(rng: random.Random) -> Iterator[Check]:
    """Check a grammar: its derivations, strings, lengths, lists and shape, and whether it is ambiguous."""
    grammar = drawn_grammars.grammar(rng)
    language, heads = drawn_grammars.as_language(rng, grammar)
    law = Law(grammar)
    yield from _derivations(language, grammar, heads)
    yield from _variances(language, grammar, heads)
    yield from _strings(rng, language, law)
    yield from _lengths(rng, language, law)
    yield from _listed(rng, language, law)
    yield from _shape(language, grammar)
    yield from _ambiguity(language, law)
    yield from _finite(language, law)
    yield from _nltk(rng, language, law)


def _derivations(language: ContextFree, grammar: Grammar, heads: list[str]) -> Iterator[Check]:
    yield Check("growth", language.growth, grammar.growth())
    wanted = {head: grammars.visits(grammar, head) for head in heads}
    yield Check("visits", language.visits, [wanted[head] for head in heads])
    yield Check("expected length", language.expected_length(), _mean(wanted, grammars.emitted(grammar)))
    surprise = {h: numbers.entropy(p for _, p in own) for h, own in grammar.rules.items()}
    entropy = _mean(wanted, surprise)
    if mpmath.isfinite(entropy):
        entropy = -grammars.expected(grammar, lambda head, rhs, p: numbers.log(p))
    yield Check("derivation entropy", language.derivation_entropy(), entropy)
    yield Check("derivation collision", language.derivation_collision(), grammars.collision(grammar))
    best = numbers.log(grammars.likeliest(grammar))
    yield Check("likeliest derivation", language.likeliest_derivation(), best, floor=LOG_FLOOR)
    unique = language.ambiguity.unambiguous
    for name, ask, value in (("entropy", language.entropy, entropy),
                             ("collision", language.collision, grammars.collision(grammar))):  # fmt: skip
        found = attempt(ask)
        yield Check(name, found, value)
        yield Check(f"{name} only if unambiguous", (found != REFUSED) == unique, True)


def _variances(language: ContextFree, grammar: Grammar, heads: list[str]) -> Iterator[Check]:
    length, surprise = language.expected_length(), language.derivation_entropy()
    for name, found, mean, marks in (
        ("variance of the length", length_variance(language), length, _emitted),
        ("derivation varentropy", derivation_varentropy(language), surprise, lambda head, rhs, p: numbers.log(p)),
    ):
        if mean == math.inf:
            yield Check(f"{name}, infinite", found, math.inf)
        elif language.growth == "subcritical":
            yield Check(name, found, variances.of_grammar(grammar, marks), floor=TINY)
    found = attempt(lambda: varentropy(language))
    yield Check("varentropy only if unambiguous", (found != REFUSED) == language.ambiguity.unambiguous, True)
    yield Check("varentropy", found, derivation_varentropy(language))
    radius = spectral_radius(language)
    wanted = variances.spectral_radius(grammars.matrix(grammar, heads))
    if radius.exact:
        yield Check("spectral radius", radius.lower, wanted, floor=SMALL)


def _emitted(head: str, rhs: grammars.Rhs, p: Fraction) -> mpmath.mpf:
    return mpmath.mpf(sum(isinstance(symbol, int) for symbol in rhs))


def _mean(visits: dict[str, mpmath.mpf], marks: dict[str, mpmath.mpf]) -> mpmath.mpf:
    """Return the sum of visits times marks, with infinity times 0 equal to 0."""
    with mpmath.workdps(numbers.DIGITS):
        return mpmath.fsum(visits[head] * mark for head, mark in marks.items() if mark)


def _strings(rng: random.Random, language: ContextFree, law: Law) -> Iterator[Check]:
    known = sorted(law.short(SHORT))
    drawn = drawn_grammars.short_strings(rng, law.grammar, 2, 7)
    for x in [*rng.sample(known, min(len(known), 3)), *drawn]:
        written = [*x, *[0] * rng.randint(0, 2)]
        yield Check("log P(x)", language.log_prob(written), fixed.log(law.string(x)), floor=LOG_FLOOR)
        mass = law.prefix(x)
        yield Check("log P(prefix)", language.log_prefix(x), fixed.log(mass), floor=LOG_FLOOR)
        if not mass:
            refused = declined(partial(language.next_log_probs, x), "has probability 0")
            yield Check("no law after an impossible prefix", refused, True)
            continue
        ends = [law.string(x), *(law.prefix((*x, token)) for token in (1, 2, 3))]
        with mpmath.workdps(numbers.DIGITS):
            wanted = [fixed.log(value) - fixed.log(mass) for value in ends]
        yield Check("log P(. | prefix)", language.next_log_probs(x), wanted, floor=LOG_FLOOR)
    for nonsense in ([4], [-1], [1, 7]):
        yield Check("log P(nonsense)", language.log_prob(nonsense), -math.inf)


def _lengths(rng: random.Random, language: ContextFree, law: Law) -> Iterator[Check]:
    number = rng.randint(0, 8)
    wanted = [law.length(n) for n in range(number)]
    yield Check("length law", language.lengths.law(number), [fixed.real(value) for value in wanted])
    within = sum(wanted)
    dropped = fixed.real(fixed.ONE - within)
    if not within:
        yield Check("log mass within too short a horizon", language.log_mass_within(number), -math.inf)
    else:
        yield Check("log mass within", language.log_mass_within(number), fixed.log(within), floor=LOG_FLOOR)
    yield Check("dropped mass", language.dropped_mass(number), dropped, floor=HARDLY)
    allowed = float(dropped) * rng.choice((0.913, 1.087))  # this factor avoids ties
    if allowed > HARDLY:
        wide = next((n for n in range(1, 12) if float(fixed.real(fixed.ONE - law.within(n))) <= allowed), None)
        found = language.shortest_horizon(allowed)
        if wide is not None:
            yield Check("shortest horizon", found, wide)
        else:
            yield Check("shortest horizon beyond", found is None or found > 11, True)


def _listed(rng: random.Random, language: ContextFree, law: Law) -> Iterator[Check]:
    length = rng.randint(0, SHORT)
    kept = law.short(length)
    if not kept:
        yield Check(
            "too short a horizon is refused", declined(partial(language.enumerate, length, 9), "at least"), True
        )
        return
    found, lost = language.enumerate(length, len(kept))
    listed = strings_of(found)
    yield Check("short strings", sorted(listed) == sorted(kept), True)
    mass = sum(kept.values())
    with mpmath.workdps(numbers.DIGITS):
        wanted = [fixed.log(kept[x]) - fixed.log(mass) for x in listed if x in kept]
    yield Check("law of short strings", found.log_p, wanted, floor=LOG_FLOOR)
    dropped = fixed.real(fixed.ONE - mass)
    yield Check("mass beyond short strings", lost, dropped, floor=HARDLY)
    if len(kept) > 1:
        refused = declined(partial(language.enumerate, length, len(kept) - 1), "max_strings")
        yield Check("too many strings are refused", refused, True)


def _shape(language: ContextFree, grammar: Grammar) -> Iterator[Check]:
    shape, heads = language.shape, language.nonterminals
    yield Check("finite", shape.finite, not grammar.endless)
    yield Check("cyclic", shape.cyclic, grammar.cyclic)
    least = grammars.shortest(grammar)
    yield Check("shortest", [len(x) for x in shape.shortest[: len(heads)]], [least[head] for head in heads])
    derived = all(
        parses.num_derivations(grammar, head, tuple(x))
        for head, x in zip(heads, shape.shortest, strict=False)
        if len(x) < 9
    )
    yield Check("shortest is derived", derived, True)
    ones = grammar.weighted(lambda p: fixed.ONE)
    count = INFINITY if grammar.loops() else fixed.real((grammars.masses(ones) or {})[grammar.start])
    with mpmath.workdps(numbers.DIGITS):
        yield Check("log derivations", shape.log_derivations, mpmath.log(count), floor=LOG_FLOOR)
        yield Check("derivations", shape.num_derivations, mpmath.nint(count) if mpmath.isfinite(count) else count)
    if grammar.cyclic:
        yield Check("counts of derivations", shape.counts(5) is None, True)
        yield Check("count of derivations", language.count(5), math.inf)
    else:
        counted = parses.Inside(parses.one_letter(ones))
        wanted = [int(mpmath.nint(fixed.real(counted.of((1,) * n)[grammar.start]))) for n in range(6)]
        yield Check("counts of derivations", shape.counts(6), wanted)
        yield Check("count of derivations", language.count(4), sum(wanted[:4]))


def _ambiguity(language: ContextFree, law: Law) -> Iterator[Check]:
    grammar, verdict = law.grammar, language.ambiguity
    strings = sorted(law.short(SHORT), key=len)[:25]
    double = next((x for x in strings if parses.num_derivations(grammar, grammar.start, x) > 1), None)
    if double is not None:
        yield Check("ambiguous is not called unambiguous", verdict.unambiguous, False)
        yield Check("a short example is found", verdict.witness is not None, True)
    if verdict.witness is not None and verdict.within is not None and len(verdict.witness) < 9:
        head = language.nonterminals[verdict.within]
        yield Check("the witness has two derivations", parses.num_derivations(grammar, head, verdict.witness), 2)
    yield Check("exactly one verdict", verdict.unambiguous + (verdict.witness is not None) + verdict.open, 1)


def _finite(language: ContextFree, law: Law) -> Iterator[Check]:
    """Check sums over all strings, if there are few of them."""
    grammar = law.grammar
    if grammar.endless:
        yield Check("longest", language.longest, math.inf)
        yield Check("support size", language.support_size, math.inf)
        return
    found = grammars.strings(grammar, MOST, 12)
    if found is None:
        return
    longest = max(map(len, found))
    yield Check("longest", language.longest, longest)
    size = attempt(lambda: language.support_size)
    yield Check("support size", size, len(found))
    yield Check("support size only if unambiguous", (size == REFUSED) == (not language.ambiguity.unambiguous), True)
    yield Check("no mass beyond the longest string", language.dropped_mass(longest + 1), 0.0)
    yield Check("shortest horizon without loss", language.shortest_horizon(0.0), longest + 1)
    if longest > 8 or len(found) > 60:
        return
    listing, lost = language.enumerate(longest + 1, len(found))
    yield Check("all strings", sorted(strings_of(listing)) == sorted(found), True)
    yield Check("no mass is lost", lost, 0.0)
    masses: dict[Symbols, Fraction] = {x: Fraction(law.string(x), fixed.ONE) for x in found}
    yield Check("entropy of a finite list", listing.entropy(), numbers.entropy(masses.values()), floor=SMALL)
    unique = all(parses.num_derivations(grammar, grammar.start, x) == 1 for x in found if len(x) < 7)
    if longest < 7:
        yield Check("finite: verdict matches derivations", language.ambiguity.unambiguous, unique)
        if unique:
            yield Check("entropy by enumeration", language.entropy(), numbers.entropy(masses.values()), floor=SMALL)
            wanted = numbers.real(sum((p * p for p in masses.values()), Fraction(0)))
            yield Check("collision by enumeration", language.collision(), wanted)


def _nltk(rng: random.Random, language: ContextFree, law: Law) -> Iterator[Check]:
    if not drawn_grammars.proper(law.grammar) or rng.random() < 0.5:
        return
    for x in drawn_grammars.short_strings(rng, law.grammar, 1, 4):
        if x and set(x) <= set(law.grammar.tokens):
            p = parses.parses(law.grammar, x)
            yield Check("log P(x) by nltk's inside parser", language.log_prob(x), numbers.log(p), floor=LOG_FLOOR)
