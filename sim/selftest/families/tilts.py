"""Check the temperature over whole strings of lists, machines and grammars against powers with fifty digits."""

import math
import random
from collections.abc import Iterator
from functools import partial

import mpmath

from sim.languages.finite import FiniteLanguage
from sim.languages.tilting import dial_entropy, highest_temperature, reachable, tilt
from sim.numerics import SpecificationError
from sim.selftest.checks import Check
from sim.selftest.drawn import LOG_FLOOR, SMALL, declined, strings_of
from sim.selftest.oracles import laws
from sim.selftest.oracles.lists import Symbols
from sim.selftest.oracles.numbers import DIGITS
from sim.selftest.tilted import KINDS, Case, prompted_case

UNDERFLOW = -690.0
"""log of a probability that may underflow: it is the smallest float64, up to a factor for the number of strings."""


def checks(rng: random.Random) -> Iterator[Check]:
    """Check one language at one temperature, and the range of entropies that its temperatures reach."""
    with mpmath.workdps(DIGITS):
        if rng.random() < 0.2:
            yield from _prompts(rng)
            return
        case = rng.choice(KINDS)(rng)
        tau = _temperature(rng)
        yield from _tilted(case, tau)
        yield from _reach(case)
        if rng.random() < 0.1:
            yield from _highest(case)
        refused = declined(partial(tilt, case.language, rng.choice((0.0, -1.0, math.inf, math.nan))), "temperature")
        yield Check("an invalid temperature is refused", refused, True)


def _temperature(rng: random.Random) -> float:
    return math.exp(rng.choice((rng.uniform(-1, 0.3), rng.uniform(-1, 3), rng.uniform(-11, -1))))


def _tilted(case: Case, tau: float) -> Iterator[Check]:
    name, wanted = case.kind, case.log_total(mpmath.mpf(tau), mpmath.mpf(1))
    if wanted is None:
        refused = declined(lambda: tilt(case.language, tau), "a finite total weight is required")
        yield Check(f"{name}: a diverging sum is refused", refused, True)
        return
    try:
        language, log_total = tilt(case.language, tau)
    except SpecificationError as problem:
        low = "1e-308" in str(problem) and case.log_least(mpmath.mpf(tau)) < UNDERFLOW
        yield Check(f"{name}: refused only for an underflow", low, True)
        return
    yield Check(f"{name}: log normaliser", log_total, wanted, floor=LOG_FLOOR)
    for x in case.strings:
        power = case.log_power(x, mpmath.mpf(tau))
        if case.kind in ("grammar", "brackets") and min(power - wanted, case.log_least(mpmath.mpf(tau))) < UNDERFLOW:
            continue  # the chart of a string uses probabilities, not logs
        yield Check(f"{name}: log P_tau(x)", language.log_prob(x), power - wanted, floor=LOG_FLOOR)
    yield Check(f"{name}: H(P_tau)", dial_entropy(language), case.entropy(mpmath.mpf(tau)), floor=SMALL)


def _reach(case: Case) -> Iterator[Check]:
    low, high = reachable(case.language)
    yield Check(f"{case.kind}: lowest entropy", low, mpmath.log(case.modes))
    yield Check(f"{case.kind}: highest entropy", high, mpmath.log(case.size) if case.size < math.inf else math.inf)


def _highest(case: Case) -> Iterator[Check]:
    """Check that the sum exists slightly below the highest temperature found, and does not exist slightly above."""
    found = mpmath.mpf(highest_temperature(case.language))
    below, above = (case.log_total(found * (1 + step), mpmath.mpf(1)) for step in (-2e-6, 2e-6))
    holds = below is not None and (above is None or abs(found / mpmath.exp(12) - 1) < 2e-6)
    yield Check(f"{case.kind}: highest temperature", holds, True)


def _prompts(rng: random.Random) -> Iterator[Check]:
    """Check answers that are tilted prompt by prompt while the law of prompts is kept."""
    language, groups = prompted_case(rng)
    tau = mpmath.mpf(_temperature(rng))
    found, log_total = tilt(language, float(tau), keep_prompts=True)
    assert isinstance(found, FiniteLanguage)
    wanted: dict[Symbols, mpmath.mpf] = {}
    given, low, high = mpmath.mpf(0), mpmath.mpf(0), mpmath.mpf(0)
    for logs in groups.values():
        log_p, tilted = laws.log_total(logs, mpmath.mpf(1)), laws.tilted(logs, tau)
        wanted |= {x: value + log_p for x, value in tilted.items()}
        given += mpmath.exp(log_p) * laws.entropy(tilted)
        low += mpmath.exp(log_p) * mpmath.log(sum(value >= max(logs.values()) - 1e-12 for value in logs.values()))
        high += mpmath.exp(log_p) * mpmath.log(len(logs))
    rows = [wanted.get(x, -math.inf) for x in strings_of(found)]
    yield Check("prompts kept: log P(x) P_tau(y | x)", found.log_p, rows, floor=LOG_FLOOR)
    yield Check("prompts kept: no single normaliser", math.isnan(log_total), True)
    yield Check("prompts kept: H(P_tau)", dial_entropy(found, keep_prompts=True), given, floor=SMALL)
    ends = reachable(language, keep_prompts=True)
    yield Check("prompts kept: lowest entropy", ends[0], low, floor=SMALL)
    yield Check("prompts kept: highest entropy", ends[1], high, floor=SMALL)
