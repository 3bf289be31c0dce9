"""What drawn documents tell about a model: every number with its interval, and nothing that they cannot tell."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sim.exam.drawn.masses import Masses, apart, combined, counted, gate, masses, outside, within
from sim.exam.drawn.means import ERROR, LITTLE, SURPRISE, Mean, bounded, change, divergence, floored
from sim.exam.drawn.world import DrawnWorld
from sim.exam.sheets import Sheet
from sim.quantity import exponential

RARER = 10.0
"""The P-mass of documents that the model makes so many times rarer is estimated."""


FAR = 40.0
"""Above this many nats, w log(1 + 1/w) is 1 in float64."""


@dataclass(frozen=True)
class Found:
    """One number of a model. metric: a key of METRICS; per: document or token; against: the model before, if any."""

    metric: str
    mean: Mean
    per: str = "document"
    against: str = ""


@dataclass(frozen=True, eq=False)
class Paired:
    """The documents of a world beside what a model gives to them."""

    world: DrawnWorld
    log_q: np.ndarray  # float64[2n] [nat]

    @property
    def ratio_p(self) -> np.ndarray:
        """log P/q of the documents of P [nat]: float64[n]; inf where q is 0."""
        n = self.world.documents.each
        return np.asarray(self.world.documents.log_p[:n] - self.log_q[:n])

    @property
    def ratio_s(self) -> np.ndarray:
        """log S/q of the documents of S [nat]: float64[n]."""
        n = self.world.documents.each
        return np.asarray(self.world.documents.log_s[n:] - self.log_q[n:])

    @property
    def kept(self) -> np.ndarray:
        """Whether each document of P is in A: bool[n]."""
        return self.world.documents.kept[: self.world.documents.each]

    def within(self, event: np.ndarray) -> np.ndarray:
        """log P/q of the documents of P in an event, and 0 outside of it: float64[n]."""
        return np.where(event, self.ratio_p, 0.0)


Counted: TypeAlias = Callable[[float], Masses]
"""The masses of A, B and ⊥ by counting documents of the model, wrong with a probability of at most what is given."""


def numbers(paired: Paired, worst: float | None, own: Counted | None = None) -> Iterator[Found]:
    """Iterate over the numbers of a model.

    worst: the largest log P/q and log S/q that is declared, if one is; own: the masses of A, B and ⊥ by counting
    documents of the model, if there are any.
    """
    laws = paired.world.laws
    for metric, law, ratio in (("fit", laws.s, paired.ratio_s), ("forgetting", laws.p, paired.ratio_p)):
        found = divergence(ratio, worst)
        yield Found(metric, found)
        if math.isfinite(tokens := law.expected_length() + 1.0):
            yield Found(metric, found.scaled(1.0 / tokens), "token")
    if laws.of_strings:
        yield from _split(paired, worst, own)
    else:
        yield Found("off_support", outside(paired.ratio_p) if own is None else own(ERROR).off)
    yield from _distances(paired)


def _split(paired: Paired, worst: float | None, own: Counted | None) -> Iterator[Found]:
    """KL(P‖q) by the documents of A and of B, and as gate + kept + erasure."""
    log_a = paired.world.laws.log_mass
    log_b = math.log(-math.expm1(log_a)) if log_a < 0.0 else -math.inf
    for metric, event, log_mass in (("part_a", paired.kept, log_a), ("part_b", ~paired.kept, log_b)):
        if log_mass > -math.inf:
            yield Found(metric, divergence(paired.within(event), worst, truth=(_least(log_mass), math.inf)))
    found, half = (weighed(paired, own, error) for error in (ERROR, ERROR / 2.0))
    yield from (Found("mass_a", found.a), Found("mass_b", found.b), Found("off_support", found.off))
    yield Found("gate", gate(found, log_a))
    inside = exponential(log_a)
    fit = divergence(paired.ratio_s, worst, ERROR / 2.0)
    of_a = Mean(fit.number.increasing(lambda value: inside * (value + log_a)))
    yield Found("kept", within(half.a, of_a, log_a))
    if log_b > -math.inf:
        of_b = divergence(paired.within(~paired.kept), worst, ERROR / 2.0, (_least(log_b), math.inf))
        yield Found("erasure", within(half.b, of_b, log_b))


def weighed(paired: Paired, own: Counted | None, error: float = ERROR) -> Masses:
    """Return the masses by the documents of P and S, and by those of the model if there are any."""
    if own is None:
        return masses(paired.ratio_s, paired.ratio_p, paired.kept, error)
    return combined(own(error / 2.0), masses(paired.ratio_s, paired.ratio_p, paired.kept, error / 2.0))


def contradicted(paired: Paired, own: Counted) -> bool:
    """Whether what the model wrote and what it gives to documents contradict each other about A, B and ⊥."""
    return apart(own(ERROR / 2.0), masses(paired.ratio_s, paired.ratio_p, paired.kept, ERROR / 2.0))


def _least(log_mass: float) -> float:
    """E_P[log P/q; C] >= P(C) log P(C)/q(C) >= P(C) log P(C) [nat]."""
    return exponential(log_mass) * log_mass


def _distances(paired: Paired) -> Iterator[Found]:
    """Distances whose terms have known limits: their intervals need no declaration, and q may be 0.

    TV = E_P[(1 - q/P)+]. 2 JS = log 2 + E_P[log 2 - log(1 + w) + w log(w/(1 + w))] with w = q/P, where the part of q
    outside of P, log 2 q(⊥), is put in as log 2 (1 - E_P[w]). The P-mass with P/q >= RARER is a share.
    """
    ratio = paired.ratio_p
    shrunk = 1.0 - np.exp(-np.maximum(ratio, 0.0))
    yield Found("total_variation", bounded(shrunk, shrunk, (0.0, 1.0), truth=(0.0, 1.0)))
    ends, top = (float(_half_js(np.array(-SURPRISE))), math.log(2.0)), math.log(2.0)
    values, cut = _half_js(ratio), _half_js(floored(ratio))
    yield Found("jensen_shannon", bounded(values, cut, ends, (-LITTLE, 0.0), (0.0, top)))
    held = int((ratio >= math.log(RARER)).sum())
    yield Found("coverage_lost", counted(held, 0, len(ratio), ERROR))


def _half_js(ratio: np.ndarray) -> np.ndarray:
    """½ (2 log 2 - log(1 + w) + w log(w/(1 + w))) at w = e^-ratio [nat]; log 2 where q is 0."""
    log_w = -ratio
    with np.errstate(over="ignore", invalid="ignore"):
        shared = np.exp(log_w) * np.logaddexp(0.0, ratio)
    shared = np.where(np.isposinf(ratio), 0.0, np.where(log_w > FAR, 1.0, shared))  # its limits
    return np.asarray(math.log(2.0) - 0.5 * (np.logaddexp(0.0, log_w) + shared))


def changes(before: Paired, after: Paired, worst: float | None, against: str) -> Iterator[Found]:
    """Iterate over the changes from one model to another, document by document; infinite ones are left out."""
    laws = before.world.laws
    pairs = [
        ("fit", before.ratio_s, after.ratio_s, laws.s),
        ("forgetting", before.ratio_p, after.ratio_p, laws.p),
    ]
    for metric, first, second, law in pairs:
        found = change(first, second, worst)
        if found is not None:
            yield Found(metric, found, against=against)
            if math.isfinite(tokens := law.expected_length() + 1.0):
                yield Found(metric, found.scaled(1.0 / tokens), "token", against)
    if laws.of_strings and laws.log_mass < 0.0:
        for metric, event in (("part_a", before.kept), ("part_b", ~before.kept)):
            found = change(before.within(event), after.within(event), worst)
            if found is not None:
                yield Found(metric, found, against=against)


def of_sheet(world: DrawnWorld, sheet: Sheet) -> Paired:
    """Return a sheet beside the documents of its world."""
    assert sheet.documents is not None, "sheets of such a world hold whole documents"
    return Paired(world, sheet.documents)
