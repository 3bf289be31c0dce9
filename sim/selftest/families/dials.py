"""Check the entropy dial: the entropy of the language that it returns and its temperature, with fifty digits."""

import math
import random
from collections.abc import Callable, Iterator
from functools import partial

import mpmath

from sim.languages.dial import TOLERANCE, dial
from sim.languages.finite import FiniteLanguage
from sim.languages.tilting import Per
from sim.selftest.checks import Check
from sim.selftest.drawn import LOG_FLOOR, declined, strings_of
from sim.selftest.oracles import laws
from sim.selftest.oracles.lists import Symbols
from sim.selftest.oracles.numbers import DIGITS
from sim.selftest.tilted import KINDS, Case, prompted_case

MARGIN = 1e-6
"""Entropies closer than this to an end of the range [nat] may be refused: perhaps no float64 temperature meets them."""


def checks(rng: random.Random) -> Iterator[Check]:
    """Check one language and one wanted entropy, which may be reachable or not."""
    with mpmath.workdps(DIGITS):
        if rng.random() < 0.25:
            yield from _prompts(rng)
            return
        case = rng.choice(KINDS)(rng)
        if rng.random() < 0.25:
            yield from _per_token(rng, case)
        else:
            yield from _per_string(rng, case)


def _ends(case: Case) -> tuple[float, float]:
    """Return the entropies [nat] at a low and a high temperature. The dial must reach every entropy between them."""
    low = high = float(case.entropy(mpmath.mpf(1)))
    for log_tau in (-3.0, -1.0):
        if float(case.log_least(mpmath.exp(log_tau))) > -600:
            low = float(case.entropy(mpmath.exp(log_tau)))
            break
    for log_tau in (2.0, 0.5, 0.05):
        tau = mpmath.exp(log_tau)
        if case.log_total(tau * (1 + mpmath.mpf(10) ** -9), mpmath.mpf(1)) is not None:
            high = float(case.entropy(tau))
            break
    return low, high


def _per_string(rng: random.Random, case: Case) -> Iterator[Check]:
    name, (low, high) = case.kind, _ends(case)
    least, most = math.log(case.modes), math.log(case.size) if case.size < math.inf else math.inf
    outside = [value for value in (least - 0.01, most + 0.01, -1.0, least / 2 - 0.001) if not least <= value <= most]
    refused = declined(partial(dial, case.language, rng.choice(outside)), "nats per string, found")
    yield Check(f"{name}: an unreachable entropy is refused", refused, True)
    if high - low < 4 * MARGIN:
        return
    wanted = rng.uniform(low + MARGIN, high - MARGIN)
    found, tau = dial(case.language, wanted)
    reached = case.entropy(mpmath.mpf(tau))
    yield Check(f"{name}: the wanted entropy is reached", bool(abs(reached - wanted) <= TOLERANCE), True)
    whole = case.log_total(mpmath.mpf(tau), mpmath.mpf(1))
    for x in case.strings[:4]:
        power = case.log_power(x, mpmath.mpf(tau)) - whole
        if power > -600 or math.isinf(power):
            yield Check(f"{name}: log P(x) at that temperature", found.log_prob(x), power, floor=LOG_FLOOR)
    if rng.random() < 0.3:
        yield from _root(name, case.entropy, wanted, tau)


def _root(name: str, entropy: Callable[[mpmath.mpf], mpmath.mpf], wanted: float, tau: float) -> Iterator[Check]:
    """Check that the exact temperature is between two temperatures around `tau`, as the entropy tolerance implies."""
    slope = (entropy(mpmath.mpf(tau) * mpmath.mpf("1.0001")) - entropy(mpmath.mpf(tau))) / mpmath.mpf("0.0001")
    if slope < 1e-3:
        return
    colder, hotter = (entropy(tau * mpmath.exp(side * 2 * TOLERANCE / slope)) for side in (-1, 1))
    yield Check(f"{name}: temperature", bool(colder <= wanted <= hotter), True)


def _per_token(rng: random.Random, case: Case) -> Iterator[Check]:
    def entropy(tau: mpmath.mpf) -> mpmath.mpf:
        return case.entropy(tau) / (case.mean_length(tau) + 1)

    per: Per = "token"
    beyond = math.log(5) + 0.1  # more than five equally likely tokens have
    refused = declined(partial(dial, case.language, beyond, per), "per token")
    yield Check(f"{case.kind}: unreachable per token is refused", refused, True)
    ends = [float(entropy(mpmath.mpf(tau))) for tau in (0.5, 1.0)]
    if abs(ends[1] - ends[0]) < 4 * MARGIN or float(case.log_least(mpmath.mpf(0.5))) < -600:
        return
    wanted = ends[0] + rng.uniform(0.1, 0.9) * (ends[1] - ends[0])
    found, tau = dial(case.language, wanted, per)
    met = abs(entropy(mpmath.mpf(tau)) - wanted) <= TOLERANCE
    yield Check(f"{case.kind}: the wanted entropy per token", bool(met), True)
    x = case.strings[0]
    power = case.log_power(x, mpmath.mpf(tau)) - case.log_total(mpmath.mpf(tau), mpmath.mpf(1))
    yield Check(f"{case.kind}: log P(x), per token", found.log_prob(x), power, floor=LOG_FLOOR)


def _prompts(rng: random.Random) -> Iterator[Check]:
    """Check answers that are tilted to a wanted mean entropy while the law of prompts is kept."""
    language, groups = prompted_case(rng)
    shares = {x: mpmath.exp(laws.log_total(logs, mpmath.mpf(1))) for x, logs in groups.items()}

    def entropy(tau: mpmath.mpf) -> mpmath.mpf:
        return mpmath.fsum(share * laws.entropy(laws.tilted(groups[x], tau)) for x, share in shares.items())

    low, high = (float(entropy(mpmath.mpf(tau))) for tau in (0.05, 20))
    if high - low < 4 * MARGIN:
        refused = declined(partial(dial, language, high + 0.1, keep_prompts=True), "nats per string, found")
        yield Check("prompts kept: unreachable is refused", refused, True)
        return
    wanted = rng.uniform(low + MARGIN, high - MARGIN)
    found, tau = dial(language, wanted, keep_prompts=True)
    assert isinstance(found, FiniteLanguage)
    reached = entropy(mpmath.mpf(tau))
    yield Check("prompts kept: the wanted entropy", bool(abs(reached - wanted) <= TOLERANCE), True)
    law: dict[Symbols, mpmath.mpf] = {}
    for x, logs in groups.items():
        law |= {d: value + mpmath.log(shares[x]) for d, value in laws.tilted(logs, mpmath.mpf(tau)).items()}
    rows = [law.get(x, -math.inf) for x in strings_of(found)]
    yield Check("prompts kept: log P(x) P_tau(y | x)", found.log_p, rows, floor=LOG_FLOOR)
    yield from _root("prompts kept", entropy, wanted, tau)
