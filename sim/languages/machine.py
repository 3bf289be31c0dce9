"""The base of deterministic and hidden automata: a walk over states that emits symbols until it stops."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
import scipy.sparse as sp
from scipy.sparse import csgraph

from sim.languages.absorbing import Absorbing
from sim.languages.automaton_ops import (
    horizon_masses,
    num_paths,
    path_counts,
    shortest_horizon,
    steps_to_stop,
    successors,
)
from sim.languages.exact import unavailable
from sim.languages.finite import SUM_TOLERANCE, FiniteLanguage
from sim.languages.matrices import components
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError, log_sum_exp

START, END = "the start", "the end"
"""Names of a state before the first symbol, and of one after the last."""

MOST_DIGITS = 4_000
"""Largest number of digits of a number of strings. Python writes numbers of up to 4,300."""

LONGEST_SEARCH = 100_000
"""The largest horizon that `Machine.shortest_horizon` tries [tokens]."""


@dataclass(frozen=True, eq=False)
class Strings:
    """The support of a machine, as a deterministic machine without probabilities."""

    next_state: np.ndarray  # int[Q, V], -1 where there is no arc
    stops: np.ndarray  # bool[Q], the states that may stop
    start: int  # the start state

    @property
    def arcs(self) -> np.ndarray:
        """Which entries of `next_state` count: bool[Q, V]."""
        return self.next_state >= 0

    def counts(self) -> Iterator[int]:
        """Yield, for ever, the number of strings with exactly 0, 1, 2, ... symbols, as Python integers."""
        return path_counts(self.next_state, self.arcs, self.stops, self.start)


class Machine(ABC):
    """A random walk over states. `first` is the law of its first state, each move emits a symbol, and it may stop.

    This class computes what depends on the lengths of strings alone. Subclasses define which symbols the moves emit.
    """

    vocabulary: Vocabulary
    state_names: tuple[str, ...]

    @property
    @abstractmethod
    def first(self) -> np.ndarray:
        """The law pi of the first state: float64[S]."""

    @property
    @abstractmethod
    def moves(self) -> sp.csr_array:
        """The matrix M of the probabilities to move between states, with any symbol: sparse float64[S, S]."""

    @property
    @abstractmethod
    def stops(self) -> np.ndarray:
        """The probability rho to stop in each state: float64[S]."""

    @property
    @abstractmethod
    def strings(self) -> Strings:
        """The support as a deterministic machine. Raises `UnavailableError` if that takes too many states."""

    @abstractmethod
    def _listed(self, length: int) -> tuple[np.ndarray, np.ndarray]:
        """All strings of at most `length` - 1 symbols, int32[N, length], and their log P [nat], float64[N]."""

    def name(self, state: int) -> str:
        """The name of a state in messages."""
        return repr(self.state_names[state]) if self.state_names else str(state)

    def check_ends(self) -> None:
        """Raise `SpecificationError` if some state has no path to a stop."""
        lost = np.flatnonzero(np.isinf(self.steps_to_stop))
        if len(lost):
            raise SpecificationError(
                "automaton: every state must have a path to a stop, found no such path from "
                f"{', '.join(self.name(int(s)) for s in lost[:5])}; give one of them a stopping probability"
            )

    @cached_property
    def steps_to_stop(self) -> np.ndarray:
        """The fewest symbols from each state to a state that may stop: float64[S]; inf if there is no path."""
        return steps_to_stop(self.moves, self.stops > 0)

    @cached_property
    def absorbing(self) -> Absorbing:
        """The matrix (I - M)^-1, which is factorised once."""
        return Absorbing(self.moves, self.stops)

    def expected_sum(self, values: np.ndarray) -> float:
        """The expected sum of `values` [S] over the states that a walk visits, without any subtraction."""
        return float(self.first @ self.absorbing.solve(values))

    def expected_length(self) -> float:
        """E|x| = pi (I - M)^-1 1 - 1 [symbols], EOS not counted; exact."""
        return self.expected_sum(self.moves.sum(axis=1))

    @cached_property
    def longest(self) -> int | float:
        """The number of symbols of the longest string; math.inf for an infinite language."""
        graph = successors(self.moves)
        seen = np.asarray(self.first > 0)
        for start in np.flatnonzero(seen):
            seen[csgraph.breadth_first_order(self.moves, start, return_predecessors=False)] = True
        longest = np.zeros(len(graph), int)
        for block in components(graph):  # each state comes after those that it leads to
            state = block[0]
            if seen[state] and (len(block) > 1 or state in graph[state]):
                return math.inf  # every state has a path to a stop
            longest[state] = max((longest[t] + 1 for t in graph[state]), default=0)
        return int(longest[seen].max())

    @property
    def support_size(self) -> int | float:
        """The number of strings with positive probability, exact; math.inf for an infinite language.

        Raises `UnavailableError` if the number has over 4 000 digits, or if the machine has too many sets of states.
        """
        if self.longest == math.inf:
            return math.inf
        kept = self.strings.arcs
        kept[:, EOS] = self.strings.stops
        found = num_paths(self.strings.next_state, kept, self.strings.start)
        if found.bit_length() > MOST_DIGITS / math.log10(2):
            raise unavailable("number of strings", f"it has over {MOST_DIGITS} digits", "describe shorter strings")
        return found

    def count(self, length: int) -> int:
        """The number of strings with positive probability and at most `length` - 1 symbols; exact, however large."""
        return sum(islice(self.strings.counts(), max(length, 0)))

    def counts(self, number: int) -> list[int]:
        """The numbers of strings with exactly 0, 1, ..., `number` - 1 symbols; exact, however large."""
        return list(islice(self.strings.counts(), number))

    def length_law(self, number: int) -> np.ndarray:
        """P(|x| = n) for n = 0, 1, ..., `number` - 1: float64[number]."""
        here, law = self.first, []
        for _ in range(number):
            law.append(float(here @ self.stops))
            here = here @ self.moves
        return np.array(law)

    def _masses(self, length: int) -> tuple[float, float]:
        return horizon_masses(self.moves, self.stops, self.first, length)

    def log_mass_within(self, length: int) -> float:
        """log P(|x| <= `length` - 1 symbols) [nat], exact; -inf if every string is longer."""
        return self._masses(length)[0]

    def dropped_mass(self, length: int) -> float:
        """P(|x| >= `length` symbols), the mass that truncation to the horizon drops; exact, however small."""
        return math.exp(self._masses(length)[1])

    def shortest_horizon(self, dropped: float) -> int | None:
        """The smallest horizon that drops a mass of at most `dropped`; None if it is above 100 000 tokens.

        If `dropped` is 0, it is the longest string and its end, or None for an infinite language.
        """
        if dropped == 0 and self.longest == math.inf:  # the masses would underflow to 0 at some horizon
            return None
        return shortest_horizon(self.moves, self.first, dropped, LONGEST_SEARCH)

    def enumerate(self, length: int, max_strings: int, place: str = "automaton") -> tuple[FiniteLanguage, float]:
        """P(. | |x| <= `length` - 1 symbols), renormalised exactly, and the mass that was dropped.

        The list is never cut silently. If more than `max_strings` strings fit, or none, `SpecificationError` is raised:
        it names `place` and, if too many fit, their number. The enumerated probabilities must sum to the mass of
        `log_mass_within`; otherwise ArithmeticError is raised.
        """
        size = self._checked_size(length, max_strings, place)
        strings, log_p = self._listed(length)
        log_mass, log_dropped = self._masses(length)
        total = float(log_sum_exp(log_p))
        if abs(total - log_mass) > SUM_TOLERANCE or len(log_p) != size:
            raise ArithmeticError(
                f"{place}: enumeration found {len(log_p)} strings with log mass {total!r}, "
                f"but the transition matrix gives {size} strings with log mass {log_mass!r}"
            )
        width = int((strings != EOS).sum(axis=1).max()) + 1
        language = FiniteLanguage.from_strings(self.vocabulary, strings[:, :width], log_p - total, source=self)
        return language, math.exp(log_dropped)

    def _checked_size(self, length: int, max_strings: int, place: str) -> int:
        size = fits = 0
        for count in islice(self.strings.counts(), max(length, 0)):
            size += count
            fits += size <= max_strings
        if size > max_strings:
            raise SpecificationError(
                f"{place}: at most max_strings = {max_strings} strings may be enumerated, found {shown_count(size)} "
                f"within length {length}; raise max_strings or lower length ({fits} is the largest that fits)"
            )
        if size == 0:
            shortest = int(self.steps_to_stop[self.first > 0].min()) + 1
            raise SpecificationError(
                f"{place}: length must be at least {shortest}, the shortest string and its end, found {length}"
            )
        return size


def shown_count(count: int) -> str:
    """A count as messages write it: exact up to 15 digits, and otherwise as a power of ten."""
    return str(count) if count < 10**15 else f"about 10^{int((count.bit_length() - 1) * math.log10(2))}"
