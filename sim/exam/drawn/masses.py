"""What documents of P and S tell about masses of a model: q(A), q(B), and q(⊥), that of what P cannot write.

q(A) = E_S[q/S] is a mean of values of at least 0. Rare large values, documents that q writes and S hardly does, can
only raise it. So its lower end is proved for every model, and the same holds for q(B) = E_P[q/P; B]. Both and q(⊥)
sum to 1: so each has an upper end, too. A leak has no lower end: no document of P or S shows what the model writes
elsewhere. The model's own documents do, by counting.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.estimators._binomial import clopper_pearson
from sim.estimators._intervals import of_mean
from sim.estimators._one_sided import lower_mean
from sim.estimators._sample import Sample
from sim.exam.drawn.entropies import LEVEL
from sim.exam.drawn.means import ERROR, Mean
from sim.quantity import Quantity, exponential, logarithm


@dataclass(frozen=True)
class Masses:
    """q(A), q(B) and q(⊥), each with its interval. All three intervals hold together, at LEVEL."""

    a: Mean
    b: Mean
    off: Mean


def masses(ratio_s: np.ndarray, ratio_p: np.ndarray, kept: np.ndarray, error: float = ERROR) -> Masses:
    """Return the masses from log S/q of n documents of S, log P/q of n documents of P, and whether these are in A."""
    (a, low_a, usual_a), (b, low_b, usual_b) = (
        _weighed(np.exp(-ratio_s), error / 2.0),
        _weighed(np.where(kept, 0.0, np.exp(-ratio_p)), error / 2.0),
    )
    n = len(ratio_p)
    return Masses(
        Mean(_between(a, low_a, 1.0 - low_b, error, n), usual_a),
        Mean(_between(b, low_b, 1.0 - low_a, error, n), usual_b),
        Mean(_between(1.0 - a - b, 0.0, 1.0 - low_a - low_b, error, n)),
    )


def outside(ratio_p: np.ndarray) -> Mean:
    """Return q(⊥) = 1 - E_P[q/P] alone, for events that are no sets of strings. Its lower end is 0."""
    inside, low, _ = _weighed(np.exp(-ratio_p), ERROR)
    return Mean(_between(1.0 - inside, 0.0, 1.0 - low, ERROR, len(ratio_p)))


def counted(held: int, perhaps: int, number: int, error: float) -> Mean:
    """Return a probability from `number` documents of the model: `held` have it, and `perhaps` more, not known."""
    low, high = clopper_pearson(held, number, 1.0 - error)[0], clopper_pearson(held + perhaps, number, 1.0 - error)[1]
    return Mean(Quantity(low, high, "estimated", held / number, 1.0 - error, number, "proved"))


def combined(first: Masses, second: Masses) -> Masses:
    """Return the masses of two routes: the intersections of their intervals, and the estimates of the narrower ones.

    Both routes hold together with the sum of their errors, by Bonferroni's inequality. Where the intervals have nothing
    in common, those of the first route stay.
    """
    a, b, off = (_both(*pair) for pair in _pairs(first, second))
    return Masses(a, b, off)


def apart(first: Masses, second: Masses) -> bool:
    """Whether two routes contradict each other: some of their intervals have nothing in common."""
    return any(max(one.number.lower, two.number.lower) > min(one.number.upper, two.number.upper)
               for one, two in _pairs(first, second))  # fmt: skip


def _pairs(first: Masses, second: Masses) -> list[tuple[Mean, Mean]]:
    return [(first.a, second.a), (first.b, second.b), (first.off, second.off)]


def _both(first: Mean, second: Mean) -> Mean:
    one, two = first.number, second.number
    low, high = max(one.lower, two.lower), min(one.upper, two.upper)
    low, high = (low, high) if low <= high else (one.lower, one.upper)
    best, other = (first, second) if one.width <= two.width else (second, first)
    best = other if best.number.estimate == 0.0 else best  # nothing was counted, but the weights say how little
    level = max(0.0, one.level + two.level - 1.0)
    return Mean(Quantity(low, high, "estimated", best.number.estimate, level, best.number.count, "proved"), best.usual)


def gate(found: Masses, log_mass: float) -> Mean:
    """Return KL((P(A), P(B), 0)‖(q(A), q(B), q(⊥))) [nat], over all masses inside their intervals.

    It falls in q(A) and in q(B). So it is largest at both lower ends. It is least where q(⊥) is least, and there at the
    split of the rest between A and B that is nearest to that of P. The estimate puts in the estimates, so it is biased;
    +inf where one of them is 0 or less.
    """
    inside, beside = exponential(log_mass), -math.expm1(log_mass)
    a, b, room = found.a.number, found.b.number, 1.0 - found.off.number.lower
    low, high = max(a.lower, room - b.upper), min(a.upper, room - b.lower)
    nearest = a.upper if low > high else min(max(inside * room, low), high)
    value = _gate(inside, beside, _estimate(a), _estimate(b))
    ends = _gate(inside, beside, nearest, min(b.upper, room - nearest)), _gate(inside, beside, a.lower, b.lower)
    return Mean(Quantity(max(0.0, min(ends)), max(ends), "estimated", value, a.level, a.count, "proved"))


def within(mass: Mean, weighed: Mean, log_mass: float) -> Mean:
    """Return P(C) KL(P_C‖q_C) = E_P[log P/q; C] - P(C) log P(C) + P(C) log q(C) [nat] for C = A or B, at least 0.

    weighed: the first term with its interval. The levels add up by Bonferroni's inequality. Where q(C) may be 0, q_C
    may not exist: then nothing is known but that the number is at least 0.
    """
    inside = exponential(log_mass)
    first, second = weighed.number, mass.number
    shift = -inside * log_mass if inside > 0.0 else 0.0

    def at(term: float, probability: float) -> float:
        if inside == 0.0:
            return 0.0
        return math.nan if probability == 0.0 else term + shift + inside * math.log(probability)

    value = at(_estimate(first), max(_estimate(second), 0.0))
    low, high = at(first.lower, max(second.lower, 0.0)), at(first.upper, second.upper)
    level = max(0.0, first.level + second.level - 1.0)
    low = 0.0 if math.isnan(low) else max(0.0, low)
    high = math.inf if math.isnan(high) else max(low, high)
    estimate = None if math.isnan(value) else value
    return Mean(Quantity(low, high, "estimated", estimate, level, first.count, first.method))


def _weighed(weights: np.ndarray, error: float) -> tuple[float, float, tuple[float, float]]:
    """The mean of importance weights, its proved lower end, and Student's interval."""
    plain = of_mean(Sample(np.ones(len(weights), np.int64)), weights, LEVEL, None)
    usual = float(plain.usual_lower), float(plain.usual_upper)
    return float(plain.value), min(1.0, lower_mean(weights, 0.0, error)), usual


def _between(value: float, low: float, high: float, error: float, count: int) -> Quantity:
    """A mass with its ends. Both lower ends together are at most 1, unless the interval misses or q is no model."""
    return Quantity(low, max(low, high), "estimated", value, 1.0 - error, count, "proved")


def _gate(inside: float, beside: float, a: float, b: float) -> float:
    terms: Sequence[tuple[float, float]] = ((inside, a), (beside, b))
    return sum(p * (math.log(p) - logarithm(max(q, 0.0))) for p, q in terms if p > 0.0)


def _estimate(number: Quantity) -> float:
    assert number.estimate is not None, "what is estimated has an estimate"
    return number.estimate
