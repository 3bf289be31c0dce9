"""Probabilistic context-free grammars as exact languages.

Linear algebra gives the quantities of the whole language, and charts give the probabilities of single strings.
"""

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
"""Smallest probability of a rule that is allowed. Floats hold it with all digits."""


@dataclass(frozen=True, eq=False)
class ContextFree:
    """A PCFG: a non-terminal is replaced by a right-hand side with the probability of the rule, until none is left.

    `rules` hold a token a as a and non-terminal n as ~n. Probabilities are exact rationals of at least 1e-307 and sum
    to 1 within 1e-9 for every non-terminal. Every non-terminal can be reached and derives some string, and no rule is
    listed twice. Quantities of *derivations* are exact by linear algebra. Quantities of *strings* are equal to them if
    and only if the grammar is unambiguous (`ambiguity`). Raises `SpecificationError` if the grammar breaks these
    conditions, and if it is supercritical, because its derivations may never end. In a critical one (spectral radius
    1) some non-terminals are used infinitely often on average, so the expected length can be infinite.

    `critical` is for rationals that are rounded themselves: it holds the non-terminals of the components of spectral
    radius 1; all other components are below 1. It is None if the rules are exact and determine this.
    """

    vocabulary: Vocabulary
    nonterminals: tuple[str, ...]
    rules: tuple[Rule, ...]
    start: int = 0
    critical: frozenset[int] | None = None
    ending: float = 1.0

    def __post_init__(self) -> None:
        N, V = len(self.nonterminals), len(self.vocabulary)
        totals = [Fraction(0)] * N
        for rule in self.rules:
            if not 0 <= rule.lhs < N or not all(-N <= symbol < V and symbol != EOS for symbol in rule.rhs):
                raise SpecificationError(f"context-free grammar: rules of existing symbols are required, found {rule}")
            if rule.p.numerator <= 0:
                raise SpecificationError(
                    f"context-free grammar: {self.shown(rule)}: p must be positive, found {rule.p}"
                )
            if float(rule.p) < SMALLEST:
                raise SpecificationError(
                    f"context-free grammar: {self.shown(rule)}: p must be at least {SMALLEST:g}, found about "
                    f"1e{math.floor(log_fraction(rule.p) / math.log(10))}; remove the rule"
                )
            totals[rule.lhs] += rule.p
        if len({(rule.lhs, rule.rhs) for rule in self.rules}) < len(self.rules):
            raise SpecificationError(
                "context-free grammar: different rules are required, found one twice; add the two probabilities"
            )
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
        """A rule as messages show it."""
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
        """Strongly connected components, each after those it leads to, with the growth of its expectation matrix."""
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
        """Expected number of times that a derivation replaces each non-terminal: float64[N].

        It is e_start (I - M)^-1, component by component. It is math.inf in critical components and those after them.
        Decimals of many digits keep it precise if a component is nearly critical.
        """
        return visits(self._expectation, self._growths, self.start)

    @cached_property
    def best_derivations(self) -> np.ndarray:
        """log probability of the likeliest derivation of each non-terminal [nat]: float64[N]."""
        return likeliest_weights(self.rules, self.log_p, len(self.nonterminals))

    def expected_sum(self, values: np.ndarray) -> float:
        """Expected sum of `values` [R] over the rules that a derivation uses. 0 used infinitely often counts as 0."""
        per_visit = np.zeros(len(self.nonterminals))
        np.add.at(per_visit, [rule.lhs for rule in self.rules], np.exp(self.log_p) * values)
        used = per_visit != 0
        return float((self.visits[used] * per_visit[used]).sum())

    def expected_length(self) -> float:
        """E|x| [symbols], EOS not counted, exact; math.inf if a symbol is emitted infinitely often on average."""
        return self.expected_sum(np.array([rule.num_terminals for rule in self.rules], np.float64))

    def derivation_entropy(self) -> float:
        """Entropy of derivations [nat], sum_A u_A H(rules of A), with the expected uses u. It is at least H(P).

        Source: Grenander 1976; Chi 1999, Computational Linguistics 25(1), (I - M)^-1 xi.
        """
        return self.expected_sum(-self.log_p)

    def derivation_collision(self) -> float:
        """Probability that two independent derivations are equal: the least solution of C_A = sum_r p_r^2 prod C_B."""
        own = by_lhs(self.rules, len(self.nonterminals))
        equations = [[(rule.p**2, tuple(rule.children)) for rule in rules] for rules in own]
        return float(least_solution(equations)[self.start])

    def likeliest_derivation(self) -> float:
        """log probability of the likeliest derivation [nat]. The likeliest string has at least this probability."""
        return float(self.best_derivations[self.start])

    @cached_property
    def ambiguity(self) -> Ambiguity:
        """Whether every string has one derivation: proved, refuted by an example, or left open."""
        return decide(self.rules, len(self.nonterminals), self.start)

    def _strings_are_derivations(self, what: str, instead: str) -> None:
        if not self.ambiguity.unambiguous:
            said = "the grammar is ambiguous" if self.ambiguity.proved else "the grammar may be ambiguous"
            raise unavailable(what, f"{said}, so strings and derivations can differ", instead)

    def entropy(self) -> float:
        """H(P) [nat per string] of an unambiguous grammar, which is the entropy of its derivations.

        Raises `UnavailableError` if the grammar is ambiguous, or if it could not be proved to be unambiguous.
        """
        self._strings_are_derivations("entropy", "use derivation_entropy, an upper bound, or list its strings (tier A)")
        return self.derivation_entropy()

    def collision(self) -> float:
        """C(P) = sum of P(x)^2 of an unambiguous grammar. Raises `UnavailableError` otherwise."""
        self._strings_are_derivations("collision probability", "use derivation_collision, a lower bound")
        return self.derivation_collision()

    @cached_property
    def lengths(self) -> Lengths:
        """The law of the number of symbols of a string."""
        return Lengths(self.rules, len(self.nonterminals), self.start)

    @property
    def longest(self) -> int | float:
        """The number of symbols of the longest string; math.inf for an infinite language."""
        return self.shape.longest

    def log_mass_within(self, length: int) -> float:
        """log P(|x| <= `length` - 1 symbols) [nat], exact; -inf if every string is longer."""
        return self.lengths.log_mass_within(length)

    def dropped_mass(self, length: int) -> float:
        """P(|x| >= `length` symbols), the mass that truncation to the horizon drops; exact, however small."""
        return self.lengths.dropped_mass(length)

    def shortest_horizon(self, dropped: float) -> int | None:
        """The smallest horizon that drops a mass of at most `dropped`; None if it is above 1 000 tokens."""
        return self.lengths.shortest_horizon(dropped)

    def count(self, length: int) -> int | float:
        """Number of derivations of strings of at most `length` - 1 symbols; it is at least the number of strings.

        It is math.inf if a non-terminal derives itself.
        """
        counts = self.shape.counts(max(length, 0))
        return math.inf if counts is None else sum(counts)

    def enumerate(self, length: int, max_strings: int, place: str = "grammar") -> tuple[FiniteLanguage, float]:
        """P(. | |x| <= `length` - 1 symbols), renormalised exactly, and the mass that was dropped.

        The probability of a string is summed over its derivations. As in `Machine.enumerate`, the list is never cut
        silently. If there are too many strings, the message gives their number, or that of derivations if the grammar
        may be ambiguous. The listed mass is checked against the law of lengths.
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
                f"{place}: length must be at least {self.shape.least[self.start] + 1}, the shortest string and "
                f"its end, found {length}"
            )
        total, log_mass = float(log_sum_exp(log_p)), self.lengths.log_mass_within(length)
        if abs(total - log_mass) > SUM_TOLERANCE:
            raise ArithmeticError(f"{place}: the listed mass is e^{total!r}, the law of lengths gives e^{log_mass!r}")
        language = FiniteLanguage.from_strings(self.vocabulary, strings, log_p - total, source=self)
        return language, self.dropped_mass(length)

    @cached_property
    def shape(self) -> Shape:
        """The properties that do not depend on probabilities, such as the number and the lengths of strings."""
        return Shape.of(self.rules, len(self.nonterminals), self.start)

    @property
    def support_size(self) -> int | float:
        """Number of strings: math.inf, or the number of derivations of an unambiguous grammar.

        Raises `UnavailableError` for a finite language if the grammar may be ambiguous: only a list counts its strings.
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
        """The chart after reading tokens up to their first EOS."""
        chart = Chart(self.binary, self.start)
        for token in tokens:
            if int(token) == EOS:
                break
            chart.extend(int(token))
        return chart

    def log_prob(self, tokens: Prefix) -> float:
        """log P(x) [nat] of one string, given with or without its EOS and summed over its derivations."""
        symbols = [int(token) for token in takewhile(lambda token: int(token) != EOS, tokens)]
        return log_inside(self.binary, self.start, symbols, self._surprise)

    @cached_property
    def _surprise(self) -> float:
        """The approximate surprise of a symbol [nat]."""
        length = self.expected_length()
        return self.derivation_entropy() / length if 0 < length < math.inf else 1.0

    def log_prefix(self, prefix: Prefix) -> float:
        """log of the probability that a string begins with `prefix` [nat]; -inf if no string does."""
        return self.chart(prefix).log_prefix

    def next_log_probs(self, prefix: Prefix) -> np.ndarray:
        """log P(. | prefix) [nat]: float64[V]. Raises `SpecificationError` if the prefix has probability zero."""
        chart = self.chart(prefix)
        if not chart.alive:
            raise SpecificationError(
                f"prefix {self.vocabulary.written(prefix)} has probability 0: no next token is defined"
            )
        with np.errstate(divide="ignore"):
            return np.log(chart.next_law())
