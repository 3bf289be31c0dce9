"""Check pairs of languages of every kind: divergences, likeliest strings, lists and common vocabularies."""

import random
from collections.abc import Iterator
from fractions import Fraction

import mpmath

from sim.languages.exact import ExactLanguage
from sim.languages.likeliest import likeliest
from sim.languages.listed import listed
from sim.languages.relabelled import relabelled
from sim.languages.vocabulary import Vocabulary
from sim.metrics.comparison import divergences
from sim.quantity import Quantity
from sim.selftest.checks import Check, Value
from sim.selftest.drawn import LOG_FLOOR, SMALL, as_language, logs, strings_of
from sim.selftest.kinds import Known, random_language
from sim.selftest.oracles import measures as oracle
from sim.selftest.oracles.lists import Law, Symbols
from sim.selftest.oracles.numbers import DIGITS

HEAD = 20
"""Number of likeliest strings that bounds use. It is small to keep each case fast."""

ROUNDING = 2e-12
"""Twice the amount by which bounds are widened for rounding."""

RENAMED = Vocabulary(("<end>", "c", "x", "a"))
"""Symbols a and c of the other vocabulary have other token numbers here; x replaces b."""


def checks(rng: random.Random) -> Iterator[Check]:
    """Check one random language alone, then its divergences to another one."""
    p, q = random_language(rng), random_language(rng)
    with mpmath.workdps(DIGITS):
        yield from _likeliest(rng, p)
        yield from _listed(p)
        yield from _relabelled(rng, p)
        yield from _divergences(p, q)
        if rng.random() < 0.2:
            yield from _divergences(p, p)


def _likeliest(rng: random.Random, p: Known) -> Iterator[Check]:
    number = rng.choice((1, 3, 10))
    found = likeliest(p.language, number)
    weights = sorted(p.law.values(), reverse=True)[:number]
    own = [p.law.get(x, Fraction(0)) for x, _ in found.strings]
    yield Check(f"{p.kind}: log P of the likeliest", [value for _, value in found.strings], logs(own), floor=LOG_FLOOR)
    yield Check(f"{p.kind}: each string once", len({x for x, _ in found.strings}), len(found.strings))
    if found.proved:
        yield Check(f"{p.kind}: the likeliest", [float(x) for x in own], weights)


def _listed(p: Known) -> Iterator[Check]:
    found = listed(p.language)
    yield Check(f"{p.kind}: listed if finite", found is not None, p.finite)
    if found is None:
        return
    wanted = logs([p.law.get(x, Fraction(0)) for x in strings_of(found)])
    yield Check(f"{p.kind}: law of the list", found.log_p, wanted, floor=LOG_FLOOR)
    yield Check(f"{p.kind}: strings of the list", found.support_size, len(p.law))
    yield Check(f"{p.kind}: listed at the limit", listed(p.language, len(p.law)) is not None, True)
    yield Check(f"{p.kind}: not listed above the limit", listed(p.language, len(p.law) - 1) is None, True)


def _relabelled(rng: random.Random, p: Known) -> Iterator[Check]:
    other = as_language({(1, 2): Fraction(1, 2), (3,): Fraction(1, 2)}, RENAMED)
    both = (p.language, other) if rng.random() < 0.5 else (other, p.language)
    pairs: list[tuple[ExactLanguage, Law, Vocabulary]] = [
        (one, p.law if before is p.language else {(1, 2): Fraction(1, 2), (3,): Fraction(1, 2)}, before.vocabulary)
        for one, before in zip(relabelled(*both), both, strict=True)
    ]
    yield Check("relabelled: one vocabulary", pairs[0][0].vocabulary.symbols, pairs[1][0].vocabulary.symbols)
    yield Check("relabelled: symbols", sorted(pairs[0][0].vocabulary.symbols[1:]), ["a", "b", "c", "x"])
    for language, law, before in pairs:
        for x in rng.sample(sorted(law), min(len(law), 3)):
            renamed = language.vocabulary.encode([before.symbols[token] for token in x])
            yield Check("relabelled: log P(x)", language.log_prob(renamed), logs([law[x]])[0], floor=LOG_FLOOR)


def _divergences(p: Known, q: Known) -> Iterator[Check]:
    name = "itself" if p is q else "finite" if p.finite and q.finite else "endless"
    found = divergences(p.language, q.language, HEAD)
    wanted = _by_hand(p.law, q.law)
    automata = p.kind == q.kind == "automaton"
    for what, value in wanted.items():
        quantity = getattr(found, what)
        assert isinstance(quantity, Quantity)
        if quantity.exact:
            yield Check(f"{name}: {what}", quantity.lower, value, floor=SMALL)
        else:
            low, high = quantity.lower - ROUNDING, quantity.upper + ROUNDING
            yield Check(f"{name}: bounds of {what}", bool(low <= value <= high), True)
        must = (p.finite and q.finite) or (automata and what in ("kl", "reverse_kl", "hellinger"))
        product = what == "collision" and (
            p.finite or q.finite or "grammar" not in (p.kind, q.kind) or p.kind != q.kind
        )
        if must or product or (p.finite and what == "kl"):
            yield Check(f"{name}: {what} is exact", quantity.exact, True)


def _by_hand(p: Law, q: Law) -> dict[str, Value]:
    """Return the divergences as sums over the strings of both languages."""
    strings: list[Symbols] = sorted({*p, *q})
    both = [(p.get(x, Fraction(0)), q.get(x, Fraction(0))) for x in strings]
    # not 1 - sum sqrt(p q): the strings that are left out would keep it above 0
    square = mpmath.fsum((mpmath.sqrt(oracle.number(a)) - mpmath.sqrt(oracle.number(b))) ** 2 for a, b in both) / 2
    return {
        "kl": oracle.kl(both),
        "reverse_kl": oracle.kl((b, a) for a, b in both),
        "total_variation": oracle.total_variation(both),
        "jensen_shannon": oracle.jensen_shannon(both),
        "hellinger": mpmath.sqrt(square),
        "collision": sum((a * b for a, b in both), Fraction(0)),
    }
