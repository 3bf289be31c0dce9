"""What is said of a model whose language is not listed: estimates with intervals, from independent strings."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sim.estimators._binomial import clopper_pearson
from sim.estimators._intervals import student
from sim.quantity import Quantity, logarithm
from sim.unlisted.looks import edges
from sim.unlisted.record import UnlistedRecord
from sim.unlisted.world import EVERYTHING, alive

HAZARD = "hazard of leaving the language"
"""The name of the probability that a token is one that P cannot write after the tokens before it."""

LEVEL = 0.95
"""Level of all intervals."""

HALF = (1.0 + LEVEL) / 2.0
"""Level of each of two estimates, so that their sum has LEVEL whatever their dependence (Bonferroni)."""

FEWEST = 20
"""Least number of strings that must reach a depth, for a hazard with an interval."""

RATIOS = (1.5, 2, 5, 10, 100, 1000, 10_000)
"""How many times rarer the model makes the strings that it has lost, in the numbers of coverage."""

T = "Student's t over independent strings"
RATIO = "Student's t, linearised ratio of means"
BINOMIAL = "Clopper and Pearson"
FEW = f"fewer than {FEWEST} effective draws: Markov's inequality, and own strings"
"""How an interval was made."""


@dataclass(frozen=True)
class Number:
    """One number of a model: its name, what it is about, its unit, and how it is known.

    first, last: the positions of the tokens that it is about, counted from 1; 0 if it is about all of them.
    """

    name: str
    of: str
    unit: str
    quantity: Quantity
    first: int = 0
    last: int = 0


def mean(values: np.ndarray, level: float = LEVEL) -> Quantity:
    """The expectation of independent values, float64[N], with Student's t. Infinite if a value is."""
    n, middle = len(values), float(values.mean())
    if not math.isfinite(middle):
        return Quantity(middle, middle, "estimated", middle, level, n, T)
    low, high = student(np.asarray(middle), np.asarray(values.std(ddof=1)), n, level)
    return Quantity(float(low), float(high), "estimated", middle, level, n, T)


def ratio(over: np.ndarray, under: np.ndarray) -> Quantity:
    """E[over] / E[under] for independent pairs, with the interval of the linearised ratio.

    Source: W. Cochran 1977, "Sampling techniques", section 6.4.
    """
    n, bottom = len(over), float(under.mean())
    middle = float(over.mean()) / bottom
    spread = (over - middle * under).std(ddof=1) / bottom
    low, high = student(np.asarray(middle), np.asarray(spread), n, LEVEL)
    return Quantity(float(low), float(high), "estimated", middle, LEVEL, n, RATIO)


def share(weights: np.ndarray, level: float = LEVEL) -> Quantity:
    """The expectation of weights in [0, 1]: the exact interval of a share if all are 0 or 1, else Student's t."""
    n = len(weights)
    if ((weights == 0.0) | (weights == 1.0)).all():
        held = int(weights.sum())
        return Quantity(*clopper_pearson(held, n, level), "estimated", held / n, level, n, BINOMIAL)
    return _probability(mean(weights, level))


def numbers(record: UnlistedRecord, phase: str, index: int = -1) -> Iterator[Number]:
    """All numbers of a model at an evaluation of a phase; a negative index counts from the end."""
    arrays, rows = record.phases[phase].at(index), record.rows
    for name, symbol in (("p", "P"), ("s", "S")):
        if f"{name}_kl_at" in arrays:
            yield from _divergence(symbol, rows[f"{name}_rows"], arrays, rows, name)
    if "p_off_at" in arrays:
        yield from _leaving(rows["p_rows"], arrays)
    if "own_log_q" in arrays:
        yield from _own(arrays)
        yield from _split(record, arrays)


def _divergence(
    symbol: str, tokens: np.ndarray, arrays: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray], name: str
) -> Iterator[Number]:
    total, lengths = arrays[f"{name}_kl_at"].sum(axis=1), alive(tokens).sum(axis=1).astype(np.float64)
    of = f"KL({symbol}‖q)"
    yield Number("divergence", of, "nat/string", mean(total))
    yield Number("divergence per token", of, "nat/token", ratio(total, lengths))
    plain = rows[f"{name}_log_{name}"] - arrays[f"{name}_log_q"]
    yield Number("divergence, from log-probabilities", of, "nat/string", mean(plain))
    for times in RATIOS if symbol == "P" else ():
        rarer = (plain >= math.log(times)).astype(np.float64)
        yield Number("coverage lost", f"P(P/q ≥ {times:g})", "1", share(rarer))


def _leaving(tokens: np.ndarray, arrays: Mapping[str, np.ndarray]) -> Iterator[Number]:
    """How likely the model leaves the language, along strings of P: by depth, and in all."""
    first = edges(tokens.shape[1])
    counted = np.add.reduceat(alive(tokens).astype(np.float64), first[:-1], axis=1)
    off = arrays["p_off_at"]
    for at, (begin, end) in enumerate(itertools.pairwise(first)):
        there = counted[:, at] > 0  # the others say nothing about this depth
        chance = Quantity(0.0, 1.0, "estimated", None, LEVEL, int(there.sum()), f"fewer than {FEWEST} strings")
        if there.sum() >= FEWEST:
            chance = _probability(ratio(off[there, at], counted[there, at]))
        yield Number(HAZARD, f"tokens {begin + 1} to {end}", "1/token", chance, int(begin) + 1, int(end))
    yield Number("staying in the language along a string of P", "all tokens", "1", share(np.exp(arrays["p_stays"])))


def _probability(found: Quantity) -> Quantity:
    """The same with its ends in [0, 1], because it is one. The estimate stays."""
    low, high = max(0.0, found.lower), min(1.0, found.upper)
    return Quantity(low, high, "estimated", found.estimate, found.level, found.count, f"{found.method}; in [0, 1]")


def _own(arrays: Mapping[str, np.ndarray]) -> Iterator[Number]:
    """What the model itself writes: its entropy, and how much of it is no string of P, or of S."""
    yield Number("entropy of the model", "H(q)", "nat/string", mean(-arrays["own_log_q"]))
    for name, symbol in (("p", "P"), ("s", "S")):
        outside = (arrays[f"own_log_{name}"] == -np.inf).astype(np.float64)
        yield Number("share outside of the language", f"q(outside of {symbol})", "1", share(outside))


def _split(record: UnlistedRecord, arrays: Mapping[str, np.ndarray]) -> Iterator[Number]:
    """Forgetting as gate, kept and erasure, if S = P_A and A is not everything. See `sim.metrics.forgetting`.

    KL(P‖q) = gate + kept + erasure, with gate = P(A) log(P(A)/q(A)) + P(B) log(P(B)/q(B)), and erasure = E_P[P(B|x)
    log(P/q)] - P(B) log(P(B)/q(B)). P(A) and P(B) are exact. q(A) = E_q[P(A | x)] is estimated from what the model
    writes, and q(B) from twisted draws (`sim.unlisted.twisted`); an event of derivations is split by the posterior
    P(A | x). The two parts of the divergence that A and B have need no q(A) or q(B): they are gate, kept and erasure,
    sorted by where they arise. In a record without such draws q(B) is estimated from what the model writes, too. If it
    never wrote a string of B, gate then has no upper end, and erasure has the lower end 0, because a divergence is not
    negative.
    """
    facts, rows = record.facts["world"], record.rows
    log_mass = float(facts["log_mass"])
    if facts["narrowing"] != 0.0 or log_mass > -EVERYTHING:
        return
    a = math.exp(log_mass)
    b = -math.expm1(log_mass)
    own = _member(arrays["own_log_p"], arrays["own_log_s"], log_mass)
    lost = np.where(arrays["own_log_p"] > -np.inf, 1.0 - own, 0.0)
    weights = np.exp(arrays["lost_log_weight"]) if "lost_log_weight" in arrays else None
    yield Number("mass of what S keeps", "q(A)", "1", share(own))
    yield Number("mass of what S leaves out", "q(B)", "1", left_out(weights, lost, LEVEL))
    if weights is not None:
        yield Number("mass of what S leaves out, from own strings", "q(B)", "1", share(lost))
    if not facts["of_strings"]:
        yield Number("mass of what S leaves out, in S itself", "S(B)", "1", shared(rows, log_mass))
    moved = {"A": share(own, HALF).decreasing(_moved(a)), "B": left_out(weights, lost, HALF).decreasing(_moved(b))}
    member = _member(rows["p_log_p"], rows["p_log_s"], log_mass)
    difference = rows["p_log_p"] - arrays["p_log_q"]
    on_a, on_b = member * difference, (1.0 - member) * difference
    yield Number("divergence on what S keeps", "E_P[P(A|x) log(P/q)]", "nat/string", mean(on_a))
    yield Number("divergence on what S leaves out", "E_P[P(B|x) log(P/q)]", "nat/string", mean(on_b))
    yield Number("gate", "KL((P(A), P(B), 0)‖(q(A), q(B), q(⊥)))", "nat/string", _positive(moved["A"] + moved["B"]))
    kept, erased = mean(on_a, HALF) - moved["A"], mean(on_b, HALF) - moved["B"]
    yield Number("kept", "P(A) KL(P_A‖q_A)", "nat/string", _positive(kept))
    yield Number("erasure", "P(B) KL(P_B‖q_B)", "nat/string", _positive(erased))


def shared(rows: Mapping[str, np.ndarray], log_mass: float) -> Quantity:
    """E_S[P(B | x)] for an event of derivations: S has this much of B, in strings that have derivations of both kinds.

    The q(B) of a model that became S would be this, and no less. Where it is not small beside q(B), the gate says
    less than it seems, and the erasure more.
    """
    left = 1.0 - _member(rows["s_log_p"], rows["s_log_s"], log_mass)
    return share(np.where(left > ROUNDING, left, 0.0))


def left_out(weights: np.ndarray | None, own: np.ndarray, level: float) -> Quantity:
    """q(B) from the weights of twisted draws, and the shares P(B | x) of what the model wrote; or from these alone.

    Fewer than FEWEST effective draws, (sum w)^2 / sum w^2 of them, make no estimate. Then the ends are those that hold
    for any weights: q(B) is at least (1 - level) / 2 times their mean, by Markov's inequality, and at most what the
    model's own strings allow. If these two contradict each other, both are shown. Source: A. Kong 1992, "A note on
    importance sampling", for the effective number.
    """
    if weights is None:
        return share(own, level)
    if float(weights.sum()) ** 2 >= FEWEST * float((weights**2).sum()):
        return _probability(mean(weights, level))
    ends = (1.0 - level) / 2.0 * float(weights.mean()), share(own, level).upper
    return Quantity(min(ends), max(ends), "estimated", None, level, len(weights), FEW)


def _member(log_p: np.ndarray, log_s: np.ndarray, log_mass: float) -> np.ndarray:
    """P(A | x) = S(x) P(A) / P(x), 0 where P(x) = 0; 1 and not more, up to rounding of the two laws."""
    with np.errstate(invalid="ignore"):
        found = np.exp(np.where((log_p > -np.inf) & (log_s > -np.inf), log_s + log_mass - log_p, -np.inf))
    return np.where(np.abs(found - 1.0) < ROUNDING, 1.0, found)


ROUNDING = 1e-9
"""Two laws of one string, in different grammars, differ by less than this through rounding [relative]."""


def _moved(mass: float) -> Callable[[float], float]:
    """The function m -> p log(p/m) [nat] of the mass m of the model, for a mass p of P; +inf at m = 0."""
    return lambda value: mass * (math.log(mass) - logarithm(value))


def _positive(found: Quantity) -> Quantity:
    """The same with 0 in the place of a lower end of -inf, for a divergence times a probability.

    Other ends stay, so that an interval holds its estimate, also below 0; and where the upper end is below 0, so that
    the contradiction is seen. An infinite estimate is none.
    """
    low = 0.0 if found.lower == -math.inf and found.upper >= 0.0 else found.lower
    estimate = None if found.estimate is None or not math.isfinite(found.estimate) else found.estimate
    return Quantity(low, found.upper, "estimated", estimate, found.level, found.count, found.method)
