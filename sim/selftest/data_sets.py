"""Checks of restrictions that are random, leave the support or reweight P.

These are fraction, answers, noise, sharpen, style-blind and own samples.
"""

import math
import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import partial
from typing import Literal

import mpmath
import numpy as np

from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.languages.starting import StartingModel
from sim.numerics import SpecificationError
from sim.restrictions.answers import answers
from sim.restrictions.fraction import fraction
from sim.restrictions.noise import noise
from sim.restrictions.own_samples import own_samples
from sim.restrictions.sharpen import sharpen
from sim.restrictions.style_blind import style_blind
from sim.selftest.checks import Check
from sim.selftest.drawn import BAR, LOG_FLOOR, SMALL, declined, law_on, logs, strings_of
from sim.selftest.oracles import laws, lists, restricting
from sim.selftest.oracles.lists import NONE, Law, Symbols
from sim.selftest.oracles.numbers import entropy, log
from sim.selftest.restricted import of_event, support


def checks(
    rng: random.Random, p: FiniteLanguage, law: Law, posterior: Mapping[Symbols, list[Fraction]]
) -> Iterator[Check]:
    """Check one of these restrictions on a list with prompts and two styles."""
    kind = rng.randrange(6)
    if kind == 0:
        yield from _fraction(rng, p, law)
    elif kind == 1:
        yield from _answers(rng, p, law)
    elif kind == 2:
        yield from _noise(rng, p, law)
    elif kind == 3:
        yield from _sharpen(rng, p, law)
    elif kind == 4:
        yield from _own_samples(rng, p, law)
    else:
        yield from _style_blind(rng, p, law, posterior)


def _fraction(rng: random.Random, p: FiniteLanguage, law: Law) -> Iterator[Check]:
    share, whole = Fraction(rng.randint(1, 20), 20), rng.random() < 0.5
    of: Literal["prompts", "strings"] = "prompts" if whole else "strings"
    found = fraction(p, share=float(share), of=of, seed=rng.randrange(99))
    event = support(found.s)
    yield from of_event("fraction", p, law, found, event)
    slack = Fraction(1, 10**11)
    if whole:
        prompts = lists.prompt_law(law, BAR)
        groups = [({x: q for x, q in prompts.items() if q}, {lists.prompt_of(x, BAR) for x in event})]
    else:
        own = lists.answers(law, BAR)
        named = {lists.prompt_of(x, BAR) for x, q in law.items() if q}
        groups = [({x: q for x, q in own.items() if q and lists.prompt_of(x, BAR) == one}, event) for one in named]
    for parts, kept in groups:
        held = [q for x, q in parts.items() if x in kept]
        enough = sum(held, NONE) >= share - slack
        least = any(sum(held, NONE) - q < share + slack for q in held)
        yield Check("fraction: the share and no more than needed", enough and least, True)


def _answers(rng: random.Random, p: FiniteLanguage, law: Law) -> Iterator[Check]:
    prompts, number = lists.prompt_law(law, BAR), rng.randint(1, 5)
    possible = [x for x, q in prompts.items() if q]
    some = rng.randint(1, len(possible))
    same = rng.random() < 0.3
    found = answers(
        p, num_answers=number, num_prompts=some, annotator="homogeneous" if same else "sampled", seed=rng.randrange(99)
    )
    event = support(found.s)
    chosen = {lists.prompt_of(x, BAR) for x in event}
    given = lists.normalised({x: prompts[x] for x in chosen})
    counts = {x: given[lists.prompt_of(x, BAR)] for x in event}
    shares = dict(zip(strings_of(found.s), np.exp(found.s.log_p).tolist(), strict=True))
    times = {x: round(shares[x] / float(counts[x]) * number) for x in event}
    s = {x: counts[x] * times[x] / number if x in event else NONE for x in law}
    yield Check("answers: number of prompts", len(chosen), some)
    yield Check("answers: number of answers", sum(times.values()), some * number)
    yield from of_event("answers", p, law, found, event, s)
    if same:
        modes = restricting.head(law, lambda x: lists.prompt_of(x, BAR), 1, None, NONE)
        yield Check(
            "answers: the likeliest ones", event == {x for x in modes if lists.prompt_of(x, BAR) in chosen}, True
        )


def _noise(rng: random.Random, p: FiniteLanguage, law: Law) -> Iterator[Check]:
    """Check noise in which all wrong tokens may occur, so that nothing depends on the seed."""
    rate, most, insert = Fraction(rng.randint(1, 3), 4), rng.randint(1, 2), rng.random() < 0.5
    kind: Literal["insert", "replace"] = "insert" if insert else "replace"
    after: dict[Symbols, set[int]] = {}
    for x in law:
        for place, token in enumerate(x):
            after.setdefault(x[:place], set()).add(token)

    def wrong(prefix: Symbols) -> list[int]:
        return [token for token in (1, 2) if token not in after.get(prefix, set())]

    noisy: dict[Symbols, Fraction] = {}
    few = NONE
    for x, q in law.items():
        own = restricting.deviations(x, len(lists.prompt_of(x, BAR)), wrong, rate, insert, most) if q else {}
        few += q * sum(own.values(), NONE)
        for text, weight in own.items():
            noisy[text] = noisy.get(text, NONE) + q * weight / sum(own.values())
    made = partial(noise, p, rate=float(rate), deviation=kind, num_wrong=3, max_deviations=most)
    if set(noisy) == {x for x, q in law.items() if q}:
        refused = declined(made, "every token may follow")
        yield Check("noise: no possible deviation is refused", refused, True)
        return
    found = made()
    assert found.p is not None
    strings = strings_of(found.p)
    yield Check("noise: log S", found.s.log_p, logs(lists.in_order(noisy, strings)), floor=LOG_FLOOR)
    yield Check("noise: log P", found.p.log_p, logs(lists.in_order(law, strings)), floor=LOG_FLOOR)
    yield Check("noise: mass of few deviations", found.notes["few_mass"], few)
    clean = sum((q for x, q in noisy.items() if law.get(x, NONE)), NONE)
    yield Check("noise: clean mass", found.notes["clean_mass"], clean)
    yield Check("noise: log P(A)", found.log_mass, 0.0)
    yield Check("noise: KL(S || P)", found.s.kl(found.p), math.inf if clean < 1 else 0.0)


def _sharpen(rng: random.Random, p: FiniteLanguage, law: Law) -> Iterator[Check]:
    tau = math.exp(rng.uniform(-2, 2))
    found = sharpen(p, temperature=tau)
    assert isinstance(found, Restricted)
    own = laws.tilted({x: log(q) for x, q in law.items() if q}, mpmath.mpf(tau))
    rows = [own.get(x, -math.inf) for x in strings_of(p)]
    with laws.precise():
        shift = mpmath.fsum(mpmath.exp(value) * (value - log(law[x])) for x, value in own.items())
    yield Check("sharpen: log S", found.s.log_p, rows, floor=LOG_FLOOR)
    yield Check("sharpen: KL(S || P)", found.s.kl(p), shift, floor=SMALL)
    yield Check("sharpen: H(S)", found.notes["entropy"], laws.entropy(own), floor=SMALL)
    yield Check("sharpen: log P(A)", found.log_mass, 0.0)


def _own_samples(rng: random.Random, p: FiniteLanguage, law: Law) -> Iterator[Check]:
    """Check samples of a random model on the strings of P, which leaks a random mass."""
    inside = {x for x, q in law.items() if q}
    own, kept, fresh = law_on(rng, law), Fraction(rng.randint(1, 20), 20), Fraction(rng.randint(0, 4), 4)
    valid = kept * sum((own[x] for x in inside), NONE)
    log_law = np.array(logs(lists.in_order({x: kept * q for x, q in own.items()}, strings_of(p))), np.float64)
    base = StartingModel(np.zeros((0, 0)), log_law, rng.randint(1, 9), lambda: np.zeros((0, 0)))
    made = partial(own_samples, p, base=base, fresh=float(fresh), seed=rng.randrange(99))
    if not valid and fresh < 1:
        refused = declined(partial(made, num_samples=None), "a positive probability")
        yield Check("own samples: a model without mass on supp P is refused", refused, True)
        return
    share = {x: kept * own[x] / valid if x in inside and valid else NONE for x in law}
    mixed = {x: (1 - fresh) * share[x] + fresh * law[x] for x in law}
    yield from of_event("own samples", p, law, made(num_samples=None), set(law), mixed)
    number = rng.randint(1, 9)
    found = made(num_samples=number)
    counts = np.exp(found.s.log_p) * number
    yield Check("own samples: whole numbers of documents", counts, np.round(counts), floor=1.0)
    yield Check("own samples: number of documents", float(counts.sum()), float(number))
    yield Check("own samples: only what can be drawn", support(found.s) <= {x for x, q in mixed.items() if q}, True)
    yield Check("own samples: rejected", found.notes["rejected"], 1 - valid, floor=SMALL)


def _style_blind(
    rng: random.Random, p: FiniteLanguage, law: Law, posterior: Mapping[Symbols, list[Fraction]]
) -> Iterator[Check]:
    tolerance = 0.3
    try:
        found = style_blind(p, like="u", seed=rng.randrange(99), tolerance=tolerance, max_restarts=3)
    except SpecificationError:  # this check does not decide whether a matching event exists
        return
    event = support(found.s)
    yield from of_event("style-blind", p, law, found, event)
    own = lists.answers(law, BAR)
    worst = [0.0, 0.0]
    for one in {lists.prompt_of(x, BAR) for x, q in law.items() if q}:
        inside = {x: q for x, q in own.items() if q and lists.prompt_of(x, BAR) == one}
        wanted = {x: q * posterior[x][0] for x, q in inside.items()}
        got = {x: q for x, q in inside.items() if x in event}
        if not any(wanted.values()):
            yield Check("style-blind: empty where the style is empty", not got, True)
            continue
        masses = [sum(some.values(), NONE) for some in (got, wanted)]
        entropies = [entropy(lists.normalised(some).values()) for some in (got, wanted)]
        worst = [
            max(worst[0], float(abs(masses[0] / masses[1] - 1))),
            max(worst[1], float(abs(entropies[0] - entropies[1]))),
        ]
    yield Check("style-blind: within the tolerance", max(worst) <= tolerance + 1e-12, True)
    notes = [found.notes["max_mass_mismatch"], found.notes["max_entropy_mismatch"]]
    yield Check("style-blind: mismatches", notes, worst, floor=SMALL)
