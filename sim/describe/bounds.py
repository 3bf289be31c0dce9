"""Numbers about the strings of a language: exact if the language knows them or has few strings, else bounded."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.exact import ExactLanguage, UnavailableError
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.likeliest import Likeliest, likeliest
from sim.languages.listed import listed
from sim.languages.pcfg.ceilings import ceilings
from sim.languages.pcfg.language import ContextFree
from sim.quantity import Quantity

HEAD, SLOW_HEAD = 200, 40
"""Number of likeliest strings that bounds use; fewer for a grammar not proved unambiguous, where they cost more."""

LENGTHS, LENGTHS_WORK = 2_000, 2 * 10**8
"""Number of lengths that bounds use, and the most work for them: its square times the number of binary rules."""

ROUNDING = 1e-12
"""Bounds are widened by this much, because the mass behind them is rounded."""


@dataclass(frozen=True, eq=False)
class Known:
    """A language and, if it has few enough strings, the list of them. Everything is computed on demand."""

    language: ExactLanguage
    max_strings: int

    @cached_property
    def few(self) -> FiniteLanguage | None:
        """The strings as a list if there are at most `max_strings`, else None."""
        return listed(self.language, self.max_strings)

    @cached_property
    def head(self) -> Likeliest:
        """The head: some of the likeliest strings."""
        source = self.few or self.language
        slow = isinstance(source, ContextFree) and not source.ambiguity.unambiguous
        return likeliest(source, SLOW_HEAD if slow else HEAD)

    @cached_property
    def _probabilities(self) -> np.ndarray:
        return np.exp([log_p for _, log_p in self.head.strings])

    @cached_property
    def _rest(self) -> float:
        """Mass of the strings beyond the head."""
        return max(0.0, 1.0 - math.fsum(self._probabilities))

    @property
    def _largest_beyond(self) -> float:
        """Upper bound on the probability of any string beyond the head."""
        return float(self._probabilities[-1]) if self.head.proved else self._rest

    def entropy(self) -> Quantity:
        """H(P) [nat per string]."""
        if self.few is not None:
            return Quantity.of(self.few.entropy())
        try:
            return Quantity.of(self.language.entropy())
        except UnavailableError:
            return self._entropy_bounds()

    def _entropy_bounds(self) -> Quantity:
        """Bounds on H(P) [nat] if it is not known exactly.

        Lower: the head gives its terms, and every other string is at most as likely as `_largest_beyond`. A hidden
        automaton may give a better one. So may H(|x|), because a string determines its length, and the mean of
        -log C, if C bounds the probability of every string of a length. Upper: the entropy of paths or derivations.
        """
        p, rest = self._probabilities, self._rest
        lower = -math.fsum(p * np.log(p)) - ROUNDING
        if rest > ROUNDING:
            lower += (rest - ROUNDING) * -math.log(min(1.0, self._largest_beyond + ROUNDING))
        if isinstance(self.language, HiddenAutomaton):
            ends = self.language.entropy_bounds()
            return Quantity(max(lower, ends.lower), ends.upper)
        assert isinstance(self.language, ContextFree)
        law = self._length_law[self._length_law > 0.0]
        of_length = -math.fsum(law * np.log(law)) - ROUNDING  # of some lengths; the other terms are not negative
        known, ceiling = self._capped
        capped = math.fsum(-known * np.log(ceiling)) * (1 - ROUNDING) - ROUNDING
        upper = self.language.derivation_entropy()
        slack = ROUNDING * max(1.0, upper) if upper < math.inf else 0.0
        return Quantity.within_rounding(max(0.0, lower, of_length, capped), upper, slack)

    @cached_property
    def _capped(self) -> tuple[np.ndarray, np.ndarray]:
        """P(|x| = n), and an upper bound of P(x) for strings of n symbols, for the lengths n with both; else empty."""
        assert isinstance(self.language, ContextFree)
        ceiling = ceilings(self.language)
        if ceiling is None:
            return np.zeros(0), np.zeros(0)
        size = min(len(ceiling), len(self._length_law))
        kept = (ceiling[:size] > 0) & (self._length_law[:size] > 0)
        return self._length_law[:size][kept], ceiling[:size][kept]

    @property
    def _ceiling(self) -> float:
        """An upper bound of the probability of any string."""
        ceiling = ceilings(self.language) if isinstance(self.language, ContextFree) else None
        return 1.0 if ceiling is None else min(1.0, float(ceiling.max()))

    @cached_property
    def _length_law(self) -> np.ndarray:
        """P(|x| = n) for the first lengths n of a context-free grammar; none if the grammar is too large."""
        assert isinstance(self.language, ContextFree)
        number = min(LENGTHS, math.isqrt(LENGTHS_WORK // len(self.language.shape.rules)), self.language.longest + 1)
        try:
            return self.language.lengths.law(int(number))
        except UnavailableError:
            return np.zeros(0)

    def collision(self) -> Quantity:
        """C(P)."""
        if self.few is not None:
            return Quantity.of(self.few.collision())
        try:
            return Quantity.of(self.language.collision())
        except UnavailableError:
            inside = math.fsum(self._probabilities**2)
            beyond = self._rest * self._largest_beyond
            least = self.language.derivation_collision() if isinstance(self.language, ContextFree) else 0.0
            most = min(1.0, inside + beyond + ROUNDING, self._ceiling)  # the mean of P(x) is at most its maximum
            return Quantity(max(least, min(inside - ROUNDING, most)), max(least, most))

    def largest(self) -> Quantity:
        """Probability of the likeliest string."""
        if len(self._probabilities):
            best = float(self._probabilities[0])
            return Quantity(best, best if self.head.proved else max(best, min(self._rest, self._ceiling)))
        assert isinstance(self.language, ContextFree)
        best = math.exp(self.language.likeliest_derivation())
        return Quantity(best, best if self.language.ambiguity.unambiguous else max(best, self._ceiling))

    def log_size(self) -> float:
        """log of the largest possible number of strings [nat]; math.inf if no limit is known."""
        if isinstance(self.language, ContextFree):
            return self.language.shape.log_derivations if self.language.shape.finite else math.inf
        most = self.size()[1]
        return math.inf if most == math.inf else math.log(most)

    @property
    def infinite(self) -> bool:
        """Whether there are infinitely many strings, for certain."""
        return self.log_size() == math.inf and self.size()[0] == 0

    def size(self) -> tuple[int, int | float]:
        """Smallest and largest possible number of strings.

        Both are equal if the number is known and finite. The pair is (0, math.inf) if there are infinitely many.
        It raises `UnavailableError` if the number has over 4,000 digits.
        """
        if self.few is not None:
            return (self.few.support_size,) * 2
        assert isinstance(self.language, FiniteLanguage | Automaton | HiddenAutomaton | ContextFree)
        try:
            size = self.language.support_size
            return (0 if size == math.inf else int(size)), size
        except UnavailableError:
            if not isinstance(self.language, ContextFree):
                return max(1, len(self.head.strings)), math.inf
            known, ceiling = self._capped
            capped = math.ceil(math.fsum(known / ceiling) * (1 - 1e-9))  # P(|x| = n) / max P(x) strings of n symbols
            least = max(1, len(self.head.strings), int(np.count_nonzero(self._length_law)), capped)
            return least, self.language.shape.num_derivations
