"""How far two exact languages are apart: exact numbers if the pair allows it, certified bounds otherwise."""

import math
from dataclasses import dataclass

import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.coemission import coemission
from sim.languages.exact import ExactLanguage, UnavailableError
from sim.languages.finite import FiniteLanguage
from sim.languages.likeliest import likeliest
from sim.languages.listed import listed
from sim.languages.machine import Machine
from sim.languages.pcfg.language import ContextFree
from sim.metrics.divergence import hellinger, jensen_shannon, kl, total_variation
from sim.quantity import Quantity

HEAD, SLOW_HEAD = 2_000, 200
"""Number of likeliest strings of each language from which bounds are computed; the second is for grammars."""

ROUNDING = 1e-12
"""Bounds are widened by this, because the masses behind them are rounded."""


@dataclass(frozen=True)
class Divergences:
    """Divergences between P and Q, and how often they agree. KL is in nats and may be infinite.

    Each number says whether it is exact.
    """

    kl: Quantity  # KL(P || Q)
    reverse_kl: Quantity  # KL(Q || P)
    total_variation: Quantity  # in [0, 1]
    jensen_shannon: Quantity  # [nat], at most log 2
    hellinger: Quantity  # in [0, 1]
    collision: Quantity  # C(P, Q) = sum of P(x) Q(x), the probability that two independent strings are equal


@dataclass(frozen=True, eq=False)
class Head:
    """Some strings with their probabilities under both laws, and the remaining mass of each law as one more atom."""

    log_p: np.ndarray  # float64[K + 1] [nat], the rest is last; -inf if there is no rest
    log_q: np.ndarray
    whole: bool  # whether these are all strings of both

    def reversed(self) -> "Head":
        """Return the head with the two laws exchanged."""
        return Head(self.log_q, self.log_p, self.whole)


def divergences(p: ExactLanguage, q: ExactLanguage, number: int = HEAD) -> Divergences:
    """Return the divergences between two languages over one vocabulary.

    All of them are exact if both languages have few strings. KL(P‖Q) is exact if P has few strings. KL and Hellinger
    are exact for two deterministic automata (from the product machine). C(P, Q) is exact unless both languages are
    grammars (see `coemission`). Otherwise they are bounds, computed from the `number` likeliest strings of each
    language (at most 200 of a grammar). Raises ValueError for two vocabularies.
    """
    if p.vocabulary.symbols != q.vocabulary.symbols:
        raise ValueError("divergences: the same vocabulary is required, found different ones")
    head = _head(p, q, number)
    if head.whole:
        log_p, log_q = head.log_p[:-1], head.log_q[:-1]
        values = [kl(log_p, log_q), kl(log_q, log_p), total_variation(log_p, log_q)]
        values += [jensen_shannon(log_p, log_q), hellinger(log_p, log_q), _inside(head)]
        return Divergences(*map(Quantity.of, values))
    square = _square_hellinger(p, q, head)
    tv, js = _total_variation(head, square), _jensen_shannon(head)
    if square.lower == 1.0:  # the languages have no string in common
        tv, js = Quantity.of(1.0), Quantity.of(math.log(2.0))
    both = _collision(p, q, head)
    return Divergences(_kl(p, q, head), _kl(q, p, head.reversed()), tv, js, square.increasing(math.sqrt), both)


def _head(p: ExactLanguage, q: ExactLanguage, number: int) -> Head:
    """Return all strings of a language with few strings, or its likeliest strings, scored under both laws."""
    small = [listed(one) for one in (p, q)]
    strings: dict[tuple[int, ...], None] = {}
    for one, few in zip((p, q), small, strict=True):
        if few is not None:
            rows, lengths = few.trie.strings, few.trie.lengths
            strings |= {tuple(row[: n - 1].tolist()): None for row, n in zip(rows, lengths, strict=True)}
        else:
            size = min(SLOW_HEAD, number) if isinstance(one, ContextFree) else number
            strings |= {tokens: None for tokens, _ in likeliest(one, size).strings}
    whole = all(few is not None for few in small)
    log_p, log_q = (
        np.array([(few or one).log_prob(x) for x in strings]) for one, few in zip((p, q), small, strict=True)
    )
    rests = [_log_rest(row, few is not None) for row, few in zip((log_p, log_q), small, strict=True)]
    return Head(np.append(log_p, rests[0]), np.append(log_q, rests[1]), whole)


def _log_rest(log_p: np.ndarray, listed_whole: bool) -> float:
    """Log of the mass that is not listed [nat]; -inf if all strings are listed. Else rounding must not make it 0."""
    return -math.inf if listed_whole else math.log(max(1.0 - math.fsum(np.exp(log_p)), float(np.finfo(float).epsneg)))


def _kl(p: ExactLanguage, q: ExactLanguage, head: Head) -> Quantity:
    """KL(P || Q) [nat], exact if possible. Otherwise it is bounded from below, by the head and the rest as one atom."""
    if isinstance(p, Automaton) and isinstance(q, Automaton):
        return Quantity.of(p.kl(q))
    if _outnumbers(p, q):
        return Quantity.of(math.inf)
    inside = kl(head.log_p[:-1], head.log_q[:-1])
    if inside == math.inf or head.log_p[-1] == -np.inf:
        return Quantity.of(inside)
    return Quantity(max(0.0, inside + _least_rest_kl(head) - ROUNDING), math.inf)


def _least_rest_kl(head: Head) -> float:
    """Least value of r log(r / s) [nat] for rests r and s within their rounding. The function is least at r = s / e."""
    r, s = math.exp(head.log_p[-1]), math.exp(head.log_q[-1]) + ROUNDING
    least = min(max(s / math.e, r - ROUNDING), r + ROUNDING)
    return least * math.log(least / s)


def _outnumbers(p: ExactLanguage, q: ExactLanguage) -> bool:
    """Return whether P has more strings than Q, so that Q certainly misses some of them."""
    try:
        return _size(p) > _size(q)
    except UnavailableError:
        return False


def _size(language: ExactLanguage) -> int | float:
    if isinstance(language, FiniteLanguage | Machine | ContextFree):
        return language.support_size
    raise TypeError(f"unknown kind of language: {type(language).__name__}")


def _square_hellinger(p: ExactLanguage, q: ExactLanguage, head: Head) -> Quantity:
    if isinstance(p, Automaton) and isinstance(q, Automaton):
        return Quantity.of(p.square_hellinger(q))
    common = math.fsum(np.exp(0.5 * (head.log_p[:-1] + head.log_q[:-1])))
    rests = [math.exp(log_rest) + ROUNDING for log_rest in (head.log_p[-1], head.log_q[-1]) if log_rest > -np.inf]
    rest = math.sqrt(math.prod(rests)) if len(rests) == 2 else 0.0
    return Quantity(max(0.0, 1.0 - common - rest - ROUNDING), min(1.0, 1.0 - common + ROUNDING))


def _total_variation(head: Head, square: Quantity) -> Quantity:
    """Bounds of TV from the head and the rests, and from H^2 <= TV <= H sqrt(2 - H^2).

    Source: L. Le Cam, 1986, "Asymptotic methods in statistical decision theory".
    """
    p, q = np.exp(head.log_p), np.exp(head.log_q)
    inside, rest_p, rest_q = 0.5 * math.fsum(np.abs(p[:-1] - q[:-1])), float(p[-1]), float(q[-1])
    lower, upper = inside + 0.5 * abs(rest_p - rest_q), inside + 0.5 * (rest_p + rest_q)
    above = math.sqrt(square.upper * (2.0 - square.upper))
    return Quantity(max(0.0, lower - ROUNDING, square.lower - ROUNDING), min(1.0, upper + ROUNDING, above + ROUNDING))


def _inside(head: Head) -> float:
    """Sum of P(x) Q(x) over the strings of the head."""
    return math.fsum(np.exp(head.log_p[:-1] + head.log_q[:-1]))


def _collision(p: ExactLanguage, q: ExactLanguage, head: Head) -> Quantity:
    """C(P, Q), exact if possible. Beyond the head it is at most the product of the two rests."""
    inside = _inside(head)
    if -np.inf in (head.log_p[-1], head.log_q[-1]):  # one of the languages has no string beyond the head
        return Quantity.of(inside)
    try:
        return Quantity.of(coemission(p, q))
    except UnavailableError:
        rest = math.prod(math.exp(log_rest) + ROUNDING for log_rest in (head.log_p[-1], head.log_q[-1]))
        return Quantity(max(0.0, inside - ROUNDING), min(1.0, inside + rest + ROUNDING))


def _jensen_shannon(head: Head) -> Quantity:
    """Bounds of JS [nat]. To merge the rest into one atom can only lower JS.

    If it is not merged, the rest adds at most half its mass times log 2.
    """
    merged = jensen_shannon(head.log_p, head.log_q)
    rest = np.array([head.log_p[-1]]), np.array([head.log_q[-1]])
    within = merged - jensen_shannon(*rest)
    apart = 0.5 * math.log(2.0) * float(np.exp(rest[0][0]) + np.exp(rest[1][0]))
    return Quantity(max(0.0, merged - ROUNDING), min(math.log(2.0), within + apart + ROUNDING))
