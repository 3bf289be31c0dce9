"""Check laws of whole batches of any context-free grammar against systems in fixed point, string by string."""

import random
from collections.abc import Iterator

import mpmath

from sim.languages.pcfg.language import ContextFree
from sim.laws.by_length import within
from sim.laws.nonrecursive import NonRecursive
from sim.laws.protocol import Law as BatchLaw
from sim.laws.reading import law as law_of
from sim.selftest import drawn_grammars
from sim.selftest.checks import Check
from sim.selftest.drawn import LOG_FLOOR
from sim.selftest.oracles import fixed, grammars, numbers
from sim.selftest.oracles.fixed import Fixed
from sim.selftest.oracles.grammars import Grammar
from sim.selftest.oracles.lists import Symbols
from sim.selftest.oracles.parses import Law

SHORT, MOST = 4, 60
"""Strings of fewer than `SHORT` tokens are chosen from; all strings are listed if there are at most `MOST`."""

STEP = 60
"""Half the width of a central difference of a weight is 2^-STEP of it."""


def checks(rng: random.Random) -> Iterator[Check]:
    """Check probabilities, prefixes, next tokens and uses of a batch; without recursion, the same below a horizon."""
    grammar = drawn_grammars.grammar(rng)
    language, heads = drawn_grammars.as_language(rng, grammar)
    law, product = Law(grammar), law_of(language)
    known = sorted(law.short(SHORT))
    batch = [*rng.sample(known, min(len(known), 3)), *drawn_grammars.short_strings(rng, grammar, 2, 6)]
    masses = [law.string(x) for x in batch]
    yield Check("log P of a batch", product.log_prob(batch), [fixed.log(p) for p in masses], floor=LOG_FLOOR)
    yield from _prefixes(product, law, batch)
    x = batch[0]
    if law.string(x) and not grammar.critical:  # the difference below takes a weight above the critical one
        uses = product.parse([x]).counts(1, len(language.rules))[0]
        yield Check("expected uses of rules", uses, _uses(language, heads, grammar, x), floor=LOG_FLOOR)
    if isinstance(product, NonRecursive):
        yield from _below(rng, product, law, batch)


def _prefixes(product: BatchLaw, law: Law, batch: list[Symbols]) -> Iterator[Check]:
    logs, nexts = product.prefix_log_prob(batch), product.next_token(batch)
    for row, x in enumerate(batch):
        n = len(x)
        prefixes = [law.prefix(x[:t]) for t in range(n + 1)]
        yield Check("log P(prefix)", logs[row, : n + 1], [fixed.log(p) for p in prefixes], floor=LOG_FLOOR)
        for t in (0, n):
            after = [law.string(x[:t]), *(law.prefix((*x[:t], token)) for token in (1, 2, 3))]
            yield Check("P(. | prefix)", nexts[row, t], _shares(after, prefixes[t]))


def _shares(parts: list[Fixed], whole: Fixed) -> list[mpmath.mpf]:
    with mpmath.workdps(numbers.DIGITS):
        return [fixed.real(part) / fixed.real(whole) if whole else mpmath.mpf(0) for part in parts]


def _uses(language: ContextFree, heads: list[str], grammar: Grammar, x: Symbols) -> list[mpmath.mpf]:
    """E[uses of every rule | x]: the derivative of log P(x) by the log of its weight, as a central difference."""
    found = []
    for rule in language.rules:
        rhs = tuple(heads[~s] if s < 0 else s for s in rule.rhs)
        up, down = (_tilted(grammar, heads[rule.lhs], rhs, sign).string(x) for sign in (1, -1))
        with mpmath.workdps(numbers.DIGITS):
            slope = fixed.real(up - down) * mpmath.mpf(2) ** (STEP - 1)
            found.append(slope / fixed.real(Law(grammar).string(x)))
    return found


def _tilted(grammar: Grammar, head: str, rhs: grammars.Rhs, sign: int) -> Law:
    rules = {
        lhs: [
            (side, fixed.fixed(p) + (sign * (fixed.fixed(p) >> STEP) if (lhs, side) == (head, rhs) else 0))
            for side, p in own
        ]
        for lhs, own in grammar.rules.items()
    }
    return Law(grammar, rules)


def _below(rng: random.Random, product: NonRecursive, law: Law, batch: list[Symbols]) -> Iterator[Check]:
    """The law of short strings, against all of them listed, if there are few."""
    strings = grammars.strings(law.grammar, MOST, 12)
    if strings is None:
        return
    horizon = rng.choice(sorted({len(x) for x in strings})) + 1
    kept = {x: law.string(x) for x in strings if len(x) < horizon}
    total = sum(kept.values())
    short = within(product, horizon)
    yield Check("log mass below a horizon", short.log_mass, fixed.log(total), floor=LOG_FLOOR)
    with mpmath.workdps(numbers.DIGITS):
        wanted = [fixed.log(kept.get(x, 0)) - fixed.log(total) for x in batch]
    yield Check("log P below a horizon", short.log_prob(batch), wanted, floor=LOG_FLOOR)
    nexts = short.next_token(batch)
    for row, x in enumerate(batch):
        for t in range(len(x) + 1):
            begun = {y: p for y, p in kept.items() if y[:t] == x[:t]}
            after = [sum(p for y, p in begun.items() if y[t : t + 1] == step) for step in ((), (1,), (2,), (3,))]
            yield Check("P(. | prefix) below a horizon", nexts[row, t], _shares(after, sum(begun.values())))
