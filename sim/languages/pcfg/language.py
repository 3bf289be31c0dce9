"""Probabilistic context-free grammars as exact languages: linear algebra for the whole, charts for single strings."""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import takewhile

import numpy as np

from sim.languages.exact import Prefix, unavailable
from sim.languages.finite import SUM_TOLERANCE, FiniteLanguage
from sim.languages.machine import shown_count
from sim.languages.matrices import GROWTHS, Growth, components, growths
from sim.languages.pcfg.ambiguity import Ambiguity, decide
from sim.languages.pcfg.chart import Binary, Chart, log_inside
from sim.languages.pcfg.derivations import likeliest_weights
from sim.languages.pcfg.horizon import Lengths, strings_within
from sim.languages.pcfg.listing import TooManyError
from sim.languages.pcfg.rules import Rule, by_lhs, expectation, productive, reached, written
from sim.languages.pcfg.shape import Shape
from sim.languages.pcfg.visits import visits
from sim.languages.systems import least_solution
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError, log_fraction, log_sum_exp

SMALLEST = 1e-307
"""Smallest probability of a rule, what floats still hold with all digits."""


@dataclass(frozen=True, eq=False)
class ContextFree:
    """A PCFG: non-terminal A is replaced by a right-hand side with the probability of the rule, until none is left.

    `rules` hold tokens a as a and non-terminals n as ~n, and exact rationals of 1e-307 and more; those of a
    non-terminal sum to 1 within 1e-9. Every non-terminal can be reached and derives some string; no rule is listed
    twice. What concerns *derivations* is exact by linear algebra; what concerns *strings* is the same if and only if
    the grammar is unambiguous (`ambiguity`). Raises `SpecificationError` for a grammar that breaks these rules, and for
    a supercritical one, whose derivations may never end. A critical one (radius 1) has an infinite expected length.

    `critical`, for rationals that are themselves rounded: the non-terminals in components of spectral radius 1, all
    other components being below; None where the rules say so exactly.
    """

    vocabulary: Vocabulary
    nonterminals: tuple[str, ...]
    rules: tuple[Rule, ...]
    start: int = 0
    critical: frozenset[int] | None = None

    def __post_init__(self) -> None:
        N, V = len(self.nonterminals), len(self.vocabulary)
        totals = [Fraction(0)] * N
        for rule in self.rules:
            if not 0 <= rule.lhs < N or not all(-N <= symbol < V and symbol != EOS for symbol in rule.rhs):
                raise SpecificationError(f"context-free grammar: a rule with symbols that do not exist, found {rule}")
            if not rule.p > 0:
                raise SpecificationError(
                    f"context-free grammar: {self.shown(rule)}: p must be positive, found {rule.p}"
                )
            if rule.p < SMALLEST:
                raise SpecificationError(
                    f"context-free grammar: {self.shown(rule)}: p must be at least {SMALLEST:g}, found about "
                    f"1e{math.floor(log_fraction(rule.p) / math.log(10))}; remove the rule"
                )
            totals[rule.lhs] += rule.p
        if len({(rule.lhs, rule.rhs) for rule in self.rules}) < len(self.rules):
            raise SpecificationError("context-free grammar: each rule once is required, found one twice; add them up")
        for name, total in zip(self.nonterminals, totals, strict=True):
            if abs(total - 1) > SUM_TOLERANCE:
                raise SpecificationError(
                    f"context-free grammar: rules of {name!r}: probabilities must sum to 1 within {SUM_TOLERANCE:g}, "
                    f"found {float(total)!r}; normalise them first"
                )
        for good, what in (
            (productive(self.rules, N), "derive a string"),
            (reached(self.rules, N, self.start), "be reached from the start"),
        ):
            if not all(good):
                name = self.nonterminals[good.index(False)]
                raise SpecificationError(f"context-free grammar: every non-terminal must {what}, found {name!r}")
        if self.growth == "supercritical":
            raise SpecificationError(
                "context-free grammar: derivations must end with probability 1, found a spectral radius above 1"
            )

    def shown(self, rule: Rule) -> str:
        """A rule as messages write it."""
        return written(rule, self.nonterminals, self.vocabulary.symbols)

    @cached_property
    def log_p(self) -> np.ndarray:
        """log probability of every rule [nat]: float64[R]."""
        return np.array([log_fraction(rule.p) for rule in self.rules])

    @cached_property
    def _expectation(self) -> list[dict[int, Fraction]]:
        return expectation(self.rules, len(self.nonterminals))

    @cached_property
    def _growths(self) -> list[tuple[list[int], Growth]]:
        """Strongly connected components, each after those it leads to, and how their expectation matrices grow."""
        if self.critical is None:
            return growths(self._expectation)
        blocks = components([row.keys() for row in self._expectation])
        return [(block, "subcritical" if self.critical.isdisjoint(block) else "critical") for block in blocks]

    @cached_property
    def growth(self) -> Growth:
        """Whether the spectral radius of the expectation matrix is below, at or above 1; exact."""
        return max((kind for _, kind in self._growths), key=GROWTHS.index)

    @cached_property
    def visits(self) -> np.ndarray:
        """Expected number of times each non-terminal is replaced in a derivation: float64[N]; math.inf if critical.

        pi (I - M)^-1, component by component, in decimals: no digit is lost where M is near 1.
        """
        return visits(self._expectation, self._growths, self.start)

    @cached_property
    def best_derivations(self) -> np.ndarray:
        """log probability of the likeliest derivation of each non-terminal [nat]: float64[N]."""
        return likeliest_weights(self.rules, self.log_p, len(self.nonterminals))

    def expected_sum(self, values: np.ndarray) -> float:
        """E of the sum of `values` [R] over the rules that a derivation uses; 0 times infinitely often is 0."""
        per_visit = np.zeros(len(self.nonterminals))
        np.add.at(per_visit, [rule.lhs for rule in self.rules], np.exp(self.log_p) * values)
        used = per_visit != 0
        return float((self.visits[used] * per_visit[used]).sum())

    def expected_length(self) -> float:
        """E|x| [symbols], EOS not counted; exact, math.inf for a critical grammar whose cycles emit symbols."""
        return self.expected_sum(np.array([rule.num_terminals for rule in self.rules], np.float64))

    def derivation_entropy(self) -> float:
        """Entropy of derivations [nat], sum_A u_A H(rules of A) with u the expected uses; at least that of strings.

        Source: Grenander 1976; Chi 1999, Computational Linguistics 25(1), (I - M)^-1 xi.
        """
        return self.expected_sum(-self.log_p)

    def derivation_collision(self) -> float:
        """Probability that two independent derivations are equal: the least solution of C_A = sum_r p_r^2 prod C_B."""
        own = by_lhs(self.rules, len(self.nonterminals))
        equations = [[(rule.p**2, tuple(rule.children)) for rule in rules] for rules in own]
        return float(least_solution(equations)[self.start])

    def likeliest_derivation(self) -> float:
        """log probability of the likeliest derivation [nat], at most that of the likeliest string."""
        return float(self.best_derivations[self.start])

    @cached_property
    def ambiguity(self) -> Ambiguity:
        """Whether every string has one derivation: proved, refuted by an example, or left open."""
        return decide(self.rules, len(self.nonterminals), self.start)

    def _strings_are_derivations(self, what: str, instead: str) -> None:
        if not self.ambiguity.unambiguous:
            said = "the grammar is ambiguous" if self.ambiguity.witness is not None else "it may be ambiguous"
            raise unavailable(what, f"{said}, and strings then differ from derivations", instead)

    def entropy(self) -> float:
        """H(P) [nat per string] of an unambiguous grammar: that of its derivations.

        Raises `UnavailableError` where the grammar is ambiguous, or could not be proved not to be.
        """
        self._strings_are_derivations("entropy", "use derivation_entropy, an upper bound, or list its strings (tier A)")
        return self.derivation_entropy()

    def collision(self) -> float:
        """C(P) = sum of P(x)^2 of an unambiguous grammar; raises `UnavailableError` elsewhere."""
        self._strings_are_derivations("collision probability", "use derivation_collision, a lower bound")
        return self.derivation_collision()

    @cached_property
    def lengths(self) -> Lengths:
        """The law of the number of symbols of a string."""
        return Lengths(self.rules, len(self.nonterminals), self.start)

    @property
    def longest(self) -> int | float:
        """Symbols of the longest string; math.inf for an infinite language."""
        return self.shape.longest

    def log_mass_within(self, length: int) -> float:
        """log P(|x| <= `length` - 1 symbols) [nat], exact; -inf if every string is longer."""
        return self.lengths.log_mass_within(length)

    def dropped_mass(self, length: int) -> float:
        """P(|x| >= `length` symbols), what truncation to the horizon drops; exact, however small."""
        return self.lengths.dropped_mass(length)

    def shortest_horizon(self, dropped: float) -> int | None:
        """Smallest horizon whose dropped mass is at most `dropped`; None if it lies beyond 1 000 tokens."""
        return self.lengths.shortest_horizon(dropped)

    def count(self, length: int) -> int | float:
        """Number of derivations, at least that of strings, of at most `length` - 1 symbols; math.inf with cycles."""
        counts = self.shape.counts(max(length, 0))
        return math.inf if counts is None else sum(counts)

    def enumerate(self, length: int, max_strings: int, place: str = "grammar") -> tuple[FiniteLanguage, float]:
        """P(. | |x| <= `length` - 1 symbols), renormalised exactly, and the mass that was dropped.

        Strings, each with the sum over its derivations. As `Machine.enumerate`: never cut silently, refused with the
        number of strings (of derivations, where the grammar may be ambiguous), and checked against the law of lengths.
        """
        try:
            strings, log_p = strings_within(self.binary, self.start, length, max_strings)
        except TooManyError:
            count = self.count(length)
            shown = "more" if count == math.inf else shown_count(int(count))
            what = "strings" if self.ambiguity.unambiguous else "derivations"
            raise SpecificationError(
                f"{place}: at most max_strings = {max_strings} strings may be enumerated, found {shown} {what} within "
                f"length {length}; raise max_strings or lower length"
            ) from None
        if not len(strings):
            raise SpecificationError(
                f"{place}: length must be at least {len(self.shape.shortest[self.start]) + 1}, the shortest string and "
                f"its end, found {length}"
            )
        total, log_mass = float(log_sum_exp(log_p)), self.lengths.log_mass_within(length)
        if abs(total - log_mass) > SUM_TOLERANCE:
            raise ArithmeticError(f"{place}: the listed mass is e^{total!r}, the law of lengths says e^{log_mass!r}")
        language = FiniteLanguage.from_strings(self.vocabulary, strings, log_p - total, source=self)
        return language, self.dropped_mass(length)

    @cached_property
    def shape(self) -> Shape:
        """Which strings there are, whatever their probabilities: how many, how long."""
        return Shape.of(self.rules, len(self.nonterminals), self.start)

    @property
    def support_size(self) -> int | float:
        """Number of strings: math.inf, or that of the derivations of an unambiguous grammar.

        Raises `UnavailableError` for a finite language with an ambiguous grammar: only listing counts its strings.
        """
        if not self.shape.finite:
            return math.inf
        self._strings_are_derivations("number of strings", "list its strings (tier A)")
        return self.shape.num_derivations

    @cached_property
    def binary(self) -> Binary:
        """The grammar as arrays, for charts."""
        return Binary.of(self.rules, len(self.nonterminals), len(self.vocabulary))

    def chart(self, tokens: Prefix) -> Chart:
        """The chart after tokens, up to their first EOS."""
        chart = Chart(self.binary, self.start)
        for token in tokens:
            if int(token) == EOS:
                break
            chart.extend(int(token))
        return chart

    def log_prob(self, tokens: Prefix) -> float:
        """log P(x) [nat] of one string, summed over its derivations; given with or without its EOS."""
        symbols = [int(token) for token in takewhile(lambda token: int(token) != EOS, tokens)]
        return log_inside(self.binary, self.start, symbols, self._surprise)

    @cached_property
    def _surprise(self) -> float:
        """About how improbable a symbol is [nat]."""
        length = self.expected_length()
        return self.derivation_entropy() / length if 0 < length < math.inf else 1.0

    def log_prefix(self, prefix: Prefix) -> float:
        """log of the probability that a string begins with `prefix` [nat]; -inf if none does."""
        return self.chart(prefix).log_prefix

    def next_log_probs(self, prefix: Prefix) -> np.ndarray:
        """log P(. | prefix) [nat]: float64[V]. Raises `SpecificationError` for a prefix of probability zero."""
        chart = self.chart(prefix)
        if not chart.alive:
            raise SpecificationError(
                f"prefix {self.vocabulary.written(prefix)} has probability 0: no next token is defined"
            )
        with np.errstate(divide="ignore"):
            return np.log(chart.next_law())
