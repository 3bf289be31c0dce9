"""Check listed strings with rational probabilities against sums over the list in fractions and with fifty digits."""

import math
import random
from collections.abc import Iterator
from fractions import Fraction
from functools import partial

import mpmath
import numpy as np

from sim.languages.finite import FiniteLanguage
from sim.languages.moments import length_variance, varentropy
from sim.selftest.checks import Check
from sim.selftest.drawn import (
    BAR,
    LOG_FLOOR,
    PLAIN,
    PROMPTED,
    SMALL,
    as_language,
    declined,
    law_on,
    log_member,
    logs,
    member_of,
    plain_law,
    prompted_law,
    strings_of,
)
from sim.selftest.oracles import lists
from sim.selftest.oracles.lists import Law, Symbols
from sim.selftest.oracles.numbers import DIGITS, entropy, kl, log, real

TINY = 1e-18
"""Floor for variances: a true variance of 0 is found as the square of a rounding error."""


def checks(rng: random.Random) -> Iterator[Check]:
    """Check a list with or without prompts: the whole, strings, prefixes, prompts, and conditioning."""
    prompted = rng.random() < 0.5
    law = prompted_law(rng) if prompted else plain_law(rng)
    vocabulary, closing = (PROMPTED, BAR) if prompted else (PLAIN, None)
    language = as_language(law, vocabulary, padding=rng.choice((0, 0, 2)), rng=rng)
    yield from _whole(language, law)
    yield from _strings(rng, language, law)
    yield from _prefixes(rng, language, law)
    yield from _nodes(language, law)
    yield from _truncated(language, law)
    yield from _prompts(language, law, closing)
    yield from _divergence(rng, language, law)
    yield from _conditioned(rng, language, law, closing)


def _whole(language: FiniteLanguage, law: Law) -> Iterator[Check]:
    possible = {x: p for x, p in law.items() if p}
    yield Check("entropy", language.entropy(), entropy(law.values()), floor=SMALL)
    yield Check("collision", language.collision(), sum(p * p for p in law.values()))
    with mpmath.workdps(DIGITS):
        mean = entropy(law.values())
        wanted = mpmath.fsum(real(p) * (-log(p) - mean) ** 2 for p in possible.values())
    yield Check("varentropy", varentropy(language), wanted, floor=TINY)
    length = sum((p * len(x) for x, p in law.items()), lists.NONE)
    spread = sum((p * (len(x) - length) ** 2 for x, p in law.items()), lists.NONE)
    yield Check("variance of the length", length_variance(language), spread, floor=TINY)
    yield Check("expected length", language.expected_length(), sum(p * len(x) for x, p in law.items()))
    yield Check("support size", language.support_size, len(possible))
    yield Check("longest", language.longest, max(map(len, possible)))


def _strings(rng: random.Random, language: FiniteLanguage, law: Law) -> Iterator[Check]:
    others = [tuple(rng.choices((1, 2, 3), k=rng.randint(0, 6))) for _ in range(4)]
    for x in [*law, *others]:
        written = rng.choice(([*x], [*x, 0], [*x, 0, 0, 0], np.array([*x, 0])))
        yield Check("log P(x)", language.log_prob(written), logs([law.get(x, lists.NONE)])[0], floor=LOG_FLOOR)
    nonsense = rng.choice(([1, 0, 1], [0, 1], [4], [-1], [1, 99], [1, -3, 0]))
    yield Check("log P(invalid tokens)", language.log_prob(nonsense), -math.inf)


def _prefixes(rng: random.Random, language: FiniteLanguage, law: Law) -> Iterator[Check]:
    others = [tuple(rng.choices((1, 2, 3), k=rng.randint(1, 6))) for _ in range(3)]
    for prefix in [*rng.sample(known := lists.prefixes(law), min(len(known), 8)), *others]:
        mass = lists.mass(law, prefix)
        yield Check("log P(prefix)", language.log_prefix(prefix), logs([mass])[0], floor=LOG_FLOOR)
        if mass:
            wanted = logs(lists.next_law(law, prefix, len(language.vocabulary)))
            yield Check("log P(. | prefix)", language.next_log_probs(prefix), wanted, floor=LOG_FLOOR)
        else:
            refused = declined(partial(language.next_log_probs, prefix), "has probability 0")
            yield Check("no law after an impossible prefix", refused, True)


def _nodes(language: FiniteLanguage, law: Law) -> Iterator[Check]:
    trie = language.trie
    rows = trie.strings[trie.first_string].tolist()
    at: list[Symbols] = [tuple(row[:depth]) for row, depth in zip(rows, trie.depth.tolist(), strict=True)]
    masses = [lists.mass(law, prefix) for prefix in at]
    yield Check("prefixes", sorted(at) == lists.prefixes(law), True)
    yield Check("log P(node)", language.node_log_mass, logs(masses), floor=LOG_FLOOR)
    following = [
        lists.next_law(law, prefix, len(language.vocabulary)) if m else None
        for prefix, m in zip(at, masses, strict=True)
    ]
    wanted = []
    for node, token in zip(trie.edge_node.tolist(), trie.edge_token.tolist(), strict=True):
        here = following[node]
        wanted.append(lists.NONE if here is None else here[token])
    yield Check("log P(token | node)", language.edge_log_prob, logs(wanted), floor=LOG_FLOOR)


def _truncated(language: FiniteLanguage, law: Law) -> Iterator[Check]:
    for length in range(1, language.length + 2):
        kept, dropped = lists.within(law, length)
        if not kept:
            refused = declined(partial(language.enumerate, length, 99), "length must be at least")
            yield Check("too short a horizon is refused", refused, True)
            continue
        found, lost = language.enumerate(length, 99)
        wanted = logs(lists.in_order(kept, strings_of(found)))
        yield Check("law of short strings", found.log_p, wanted, floor=LOG_FLOOR)
        yield Check("number of short strings", found.support_size, len(kept))
        yield Check("dropped mass", lost, dropped)
        if len(kept) > 1:
            refused = declined(partial(language.enumerate, length, len(kept) - 1), "max_strings")
            yield Check("too many strings are refused", refused, True)


def _prompts(language: FiniteLanguage, law: Law, closing: int | None) -> Iterator[Check]:
    strings, prompts = strings_of(language), language.prompts
    laws, wanted = lists.prompt_law(law, closing), lists.answers(law, closing)
    own = [lists.prompt_of(x, closing) for x in strings]
    firsts = [own[row] for row in prompts.first.tolist()]
    yield Check("prompts", [firsts[g] for g in prompts.group.tolist()] == own and len(set(own)) == len(firsts), True)
    yield Check("log P(prompt)", prompts.log_p, logs([laws[x] for x in firsts]), floor=LOG_FLOOR)
    yield Check("log P(answer | prompt)", language.answers, logs(lists.in_order(wanted, strings)), floor=LOG_FLOOR)


def _divergence(rng: random.Random, language: FiniteLanguage, law: Law) -> Iterator[Check]:
    other, strings = law_on(rng, law), strings_of(language)
    q = language.with_law(np.array([float(value) for value in logs(lists.in_order(other, strings))]))
    p_row, q_row = lists.in_order(law, strings), lists.in_order(other, strings)
    yield Check("KL(P || Q)", language.kl(q), kl(p_row, q_row), floor=SMALL)
    yield Check("KL(P || P)", language.kl(language), 0.0)


def _conditioned(rng: random.Random, language: FiniteLanguage, law: Law, closing: int | None) -> Iterator[Check]:
    soft = rng.random() < 0.5
    member, strings = member_of(rng, law, soft), strings_of(language)
    weights = log_member(member, strings)

    def ask(keep_prompts: bool) -> tuple[FiniteLanguage, float]:
        if soft:
            return language.given(weights, keep_prompts)
        return language.condition(weights == 0.0, keep_prompts)

    if not any(p * member[x] for x, p in law.items()):
        yield Check("an impossible event is refused", declined(partial(ask, False), "must be positive, found 0"), True)
        return
    found, log_mass = ask(False)
    kept, mass = lists.given(law, member)
    yield Check("log P(A)", log_mass, logs([mass])[0], floor=LOG_FLOOR)
    yield Check("log P(x | A)", found.log_p, logs(lists.in_order(kept, strings)), floor=LOG_FLOOR)
    yield Check("H(P_A)", found.entropy(), entropy(kept.values()), floor=SMALL)
    own: dict[Symbols, Fraction] | None = lists.given_answers(law, member, closing)
    if own is None:
        yield Check("a prompt without answers is refused", declined(partial(ask, True), "for every prompt"), True)
    else:
        yield Check("log P(x) P(y | x, A)", ask(True)[0].log_p, logs(lists.in_order(own, strings)), floor=LOG_FLOOR)
