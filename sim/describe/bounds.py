"""What is known of the strings of a language whose strings are not its paths: exact if they are few, else bounded."""

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
from sim.languages.pcfg.language import ContextFree
from sim.quantity import Quantity

HEAD, SLOW_HEAD = 200, 40
"""Likeliest strings that bounds are computed from; fewer of an ambiguous grammar, where they cost more."""

ROUNDING = 1e-12
"""By how much bounds are widened for the rounding of the mass behind them."""


@dataclass(frozen=True, eq=False)
class Known:
    """A language and, where its strings are few enough, the list of them; everything on demand."""

    language: ExactLanguage
    max_strings: int

    @cached_property
    def few(self) -> FiniteLanguage | None:
        """The strings as a list, if there are at most `max_strings`."""
        return listed(self.language, self.max_strings)

    @cached_property
    def head(self) -> Likeliest:
        """Some of the likeliest strings."""
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
        """Bound of the probability of any string beyond the head."""
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
        """From the head, from the paths, and for a hidden automaton from what its states would tell."""
        p, rest = self._probabilities, self._rest
        lower = -math.fsum(p * np.log(p)) - ROUNDING
        if rest > ROUNDING:
            lower += (rest - ROUNDING) * -math.log(min(1.0, self._largest_beyond + ROUNDING))
        if isinstance(self.language, HiddenAutomaton):
            ends = self.language.entropy_bounds()
            return Quantity(max(lower, ends.lower), ends.upper)
        assert isinstance(self.language, ContextFree)
        return Quantity(max(0.0, lower), self.language.derivation_entropy())

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
            return Quantity(max(least, inside - ROUNDING), min(1.0, inside + beyond + ROUNDING))

    def largest(self) -> Quantity:
        """Probability of the likeliest string."""
        if len(self._probabilities):
            best = float(self._probabilities[0])
            return Quantity(best, best if self.head.proved else max(best, self._rest))
        assert isinstance(self.language, ContextFree)
        best = math.exp(self.language.likeliest_derivation())
        return Quantity(best, 1.0)

    def log_size(self) -> float:
        """log of the greatest number of strings that there can be [nat]; math.inf for infinitely many."""
        if isinstance(self.language, ContextFree):
            return self.language.shape.log_derivations if self.language.shape.finite else math.inf
        most = self.size()[1]
        return math.inf if most == math.inf else math.log(most)

    def size(self) -> tuple[int, int | float]:
        """Least and greatest number of strings that there can be: equal where it is known, math.inf if infinite.

        Raises `UnavailableError` for a number of over 10 000 digits.
        """
        if self.few is not None:
            return (self.few.support_size,) * 2
        assert isinstance(self.language, FiniteLanguage | Automaton | HiddenAutomaton | ContextFree)
        try:
            size = self.language.support_size
            return (0 if size == math.inf else int(size)), size
        except UnavailableError:
            most = self.language.shape.num_derivations if isinstance(self.language, ContextFree) else math.inf
            return max(1, len(self.head.strings)), most
