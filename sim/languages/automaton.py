"""Deterministic probabilistic automata: infinite languages whose quantities are exact by linear algebra."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, takewhile

import numpy as np

from sim.languages.automaton_ops import (
    absorbing_solve,
    arc_matrix,
    enumerate_paths,
    horizon_masses,
    path_counts,
    product,
    shortest_horizon,
    steps_to_stop,
)
from sim.languages.events import Dfa
from sim.languages.finite import SUM_TOLERANCE, FiniteLanguage
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError, log_sum_exp

LONGEST_SEARCH = 100_000
"""Horizon up to which `Automaton.shortest_horizon` searches [tokens]."""


@dataclass(frozen=True, eq=False)
class Automaton:
    """A deterministic PFSA: from state s it emits symbol a with probability p(s, a), or stops, which is column 0.

    `next_state` int[S, V] counts only where `arc_log_prob` float64[S, V] [nat] is above -inf; `start` is the one start
    state; `state_names` are for messages. Tier B: a support may be infinite, and all that is said about the language
    itself is exact. Raises `SpecificationError` for nan, for probabilities of a state that do not sum to 1 within
    1e-9, and for a state that no path leads to a stop.
    """

    vocabulary: Vocabulary
    next_state: np.ndarray
    arc_log_prob: np.ndarray
    start: int
    state_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.arc_log_prob.shape
        if len(shape) != 2 or shape[1] != len(self.vocabulary) or self.next_state.shape != shape or not shape[0]:
            raise SpecificationError(
                f"automaton: next_state and arc_log_prob must both be [S, {len(self.vocabulary)}], "
                f"found {self.next_state.shape} and {shape}"
            )
        if not 0 <= self.start < shape[0]:
            raise SpecificationError(f"automaton: start must be a state from 0 to {shape[0] - 1}, found {self.start}")
        if np.isnan(self.arc_log_prob).any() or (self.arc_log_prob > SUM_TOLERANCE).any():
            raise SpecificationError("automaton: arc_log_prob must be at most 0 and never nan")
        if ((self._prob == 0) & (self.arc_log_prob > -np.inf)).any():
            smallest = float(self.arc_log_prob[self.arc_log_prob > -np.inf].min())
            raise SpecificationError(
                f"automaton: a probability must be 0 or at least 1e-307, found e^{smallest:.0f}; set it to 0"
            )
        targets = self.next_state[self._arcs]
        if ((targets < 0) | (targets >= shape[0])).any():
            raise SpecificationError(f"automaton: next_state must be a state from 0 to {shape[0] - 1} at every arc")
        totals = self._prob.sum(axis=1)
        worst = int(np.argmax(np.abs(totals - 1)))
        if abs(totals[worst] - 1) > SUM_TOLERANCE:
            raise SpecificationError(
                f"automaton: state {self.name(worst)}: probabilities, stop included, must sum to 1 within "
                f"{SUM_TOLERANCE:g}, found {float(totals[worst])!r}; normalise them first"
            )
        lost = np.flatnonzero(np.isinf(self._steps_to_stop))
        if len(lost):
            raise SpecificationError(
                f"automaton: every state must be able to stop, found none that leads out of "
                f"{', '.join(self.name(int(s)) for s in lost[:5])}; give one of them a stopping probability"
            )

    def name(self, state: int) -> str:
        """What messages call a state."""
        return repr(self.state_names[state]) if self.state_names else str(state)

    @cached_property
    def _arcs(self) -> np.ndarray:
        arcs = self.arc_log_prob > -np.inf
        arcs[:, EOS] = False
        return arcs

    @cached_property
    def _stops(self) -> np.ndarray:
        return self.arc_log_prob[:, EOS] > -np.inf

    @cached_property
    def _prob(self) -> np.ndarray:
        return np.exp(self.arc_log_prob)

    @cached_property
    def _moves(self) -> np.ndarray:
        return arc_matrix(self.next_state, self._arcs, self._prob)

    @cached_property
    def _steps_to_stop(self) -> np.ndarray:
        return steps_to_stop(self.next_state, self._arcs, self._stops)

    def _expected_sum(self, values: np.ndarray) -> float:
        """E of the sum of `values` [S] over the states that a string visits."""
        return float(absorbing_solve(self._moves, self._prob[:, EOS], values)[self.start])

    def entropy(self) -> float:
        """H(P) = pi (I - M)^-1 h [nat per string], h_s the entropy of the next symbol including stop; exact.

        Source: Grenander 1976; Soule 1974, Information and Control 25, for the derivations of a regular grammar.
        """
        surprise = self._prob * np.where(self._prob > 0, self.arc_log_prob, 0.0)
        return self._expected_sum(-surprise.sum(axis=1))

    def expected_length(self) -> float:
        """E|x| = pi (I - M)^-1 1 - 1 [symbols], EOS not counted; exact."""
        return self._expected_sum(np.where(self._arcs, self._prob, 0.0).sum(axis=1))

    def collision(self) -> float:
        """C(P) = sum of P(x)^2 = pi (I - M2)^-1 rho^2, M2 the sum of squared arcs and rho the stopping probability."""
        squares = self._prob**2
        moves = arc_matrix(self.next_state, self._arcs, squares)
        # 1 - sum p^2 = sum p (1 - p): without the cancellation, where one arc is nearly certain
        leaves = squares[:, EOS] + (self._prob * -np.expm1(np.minimum(self.arc_log_prob, 0.0))).sum(axis=1)
        return float(absorbing_solve(moves, leaves, squares[:, EOS])[self.start])

    @cached_property
    def longest(self) -> int | float:
        """Symbols of the longest string; math.inf for an infinite language."""
        here, longest = np.array([self.start]), 0
        for depth in range(len(self.next_state)):
            longest = depth if self._stops[here].any() else longest
            here = np.unique(self.next_state[here][self._arcs[here]])
            if not len(here):
                return longest
        return math.inf

    @property
    def support_size(self) -> int | float:
        """Number of strings of positive probability, exact; math.inf for an infinite language."""
        return math.inf if self.longest == math.inf else self.count(int(self.longest) + 1)

    def count(self, length: int) -> int:
        """Number of strings of positive probability with at most `length` - 1 symbols; exact, of any size."""
        counts = path_counts(self.next_state, self._arcs, self._stops, self.start)
        return sum(islice(counts, max(length, 0)))

    def _walk(self, tokens: Sequence[int] | np.ndarray) -> tuple[int, float]:
        """State after a string's symbols up to its EOS, and their log-probability; (-1, -inf) off the support."""
        state, log_p = self.start, 0.0
        for token in (int(t) for t in takewhile(lambda t: int(t) != EOS, tokens)):
            if not 0 < token < len(self.vocabulary) or not self._arcs[state, token]:
                return -1, -np.inf
            log_p += float(self.arc_log_prob[state, token])
            state = int(self.next_state[state, token])
        return state, log_p

    def log_prob(self, tokens: Sequence[int] | np.ndarray) -> float:
        """log P(x) [nat] of one string given with or without its EOS; -inf outside the support."""
        state, log_p = self._walk(tokens)
        return -np.inf if state < 0 else log_p + float(self.arc_log_prob[state, EOS])

    def next_log_probs(self, prefix: Sequence[int] | np.ndarray) -> np.ndarray:
        """log P(. | prefix) [nat]: float64[V]. Raises `SpecificationError` for a prefix of probability zero."""
        state, _ = self._walk(prefix)
        if state < 0:
            written = self.vocabulary.decode(np.asarray(prefix))
            raise SpecificationError(f"prefix {written!r} has probability 0: no next token is defined")
        return self.arc_log_prob[state].copy()

    def _masses(self, length: int) -> tuple[float, float]:
        return horizon_masses(self._moves, self._prob[:, EOS], self.start, length)

    def log_mass_within(self, length: int) -> float:
        """log P(|x| <= `length` - 1 symbols) [nat], exact; -inf if every string is longer."""
        return self._masses(length)[0]

    def dropped_mass(self, length: int) -> float:
        """P(|x| >= `length` symbols), what truncation to the horizon drops; exact, however small."""
        return math.exp(self._masses(length)[1])

    def shortest_horizon(self, dropped: float) -> int | None:
        """Smallest horizon whose dropped mass is at most `dropped`; None if it lies beyond 100 000 tokens."""
        return shortest_horizon(self._moves, self.start, dropped, LONGEST_SEARCH)

    def enumerate(self, length: int, max_strings: int, place: str = "automaton") -> tuple[FiniteLanguage, float]:
        """P(. | |x| <= `length` - 1 symbols), renormalised exactly, and the mass that was dropped.

        Never cut silently: raises `SpecificationError` that names `place` if more than `max_strings` strings fit
        (stating how many) or if none does. The sum of the enumerated probabilities is checked against
        `log_mass_within`.
        """
        counts = path_counts(self.next_state, self._arcs, self._stops, self.start)
        size = fits = 0
        for count in islice(counts, max(length, 0)):
            size += count
            fits += size <= max_strings
        if size > max_strings:
            written = str(size) if size < 10**15 else f"about 10^{int((size.bit_length() - 1) * math.log10(2))}"
            raise SpecificationError(
                f"{place}: at most max_strings = {max_strings} strings may be enumerated, found {written} within "
                f"length {length}; raise max_strings or lower length ({fits} is the largest that fits)"
            )
        if size == 0:
            shortest = int(self._steps_to_stop[self.start]) + 1
            raise SpecificationError(
                f"{place}: length must be at least {shortest}, the shortest string and its end, found {length}"
            )
        strings, log_p = enumerate_paths(self.next_state, self.arc_log_prob, self.start, length)
        log_mass, log_dropped = self._masses(length)
        total = float(log_sum_exp(log_p))
        if abs(total - log_mass) > SUM_TOLERANCE or len(log_p) != size:
            raise ArithmeticError(
                f"{place}: enumeration found {len(log_p)} strings of log mass {total!r}, "
                f"the transition matrix {size} of {log_mass!r}"
            )
        width = int((strings != EOS).sum(axis=1).max()) + 1
        language = FiniteLanguage.from_strings(self.vocabulary, strings[:, :width], log_p - total)
        return language, math.exp(log_dropped)

    def condition(self, event: Dfa, place: str = "restriction") -> tuple["Automaton", float]:
        """P(. | A) for the strings A that a DFA accepts, again an automaton, and log P(A) [nat]; exact.

        The product machine, each arc weighted by the probability beta that a string on it ends in A: the backward
        weights solve beta = (I - M)^-1 (rho on accepting pairs). Only pairs on a way to acceptance are kept. Raises
        `SpecificationError` if P(A) = 0, or if a weight is below the smallest float64.
        """
        every = np.ones(event.next_state.shape, bool)
        s, q, table, start = product(self.next_state, self._arcs, self.start, event.next_state, every, event.start)
        log_prob = self.arc_log_prob[s].copy()
        log_prob[~event.accept[q], EOS] = -np.inf
        useful = np.isfinite(steps_to_stop(table, table >= 0, log_prob[:, EOS] > -np.inf))
        if not useful[start]:
            raise SpecificationError(f"{place}: P(A) must be positive, found 0: it keeps no string of the language")
        moves = arc_matrix(table, table >= 0, self._prob[s])[useful]
        leaves = self._prob[s, EOS][useful] + moves[:, ~useful].sum(axis=1)
        beta = absorbing_solve(moves[:, useful], leaves, np.exp(log_prob[useful, EOS]))
        if not (beta > 0).all():
            raise SpecificationError(f"{place}: P(A | prefix) must be above 1e-308 at every prefix, found an underflow")
        log_beta = np.full(len(s), -np.inf)
        log_beta[useful] = np.log(beta)
        following = np.where(table >= 0, log_beta[table], -np.inf)
        following[:, EOS] = 0.0
        number = np.cumsum(useful) - 1
        kept_log_prob = (log_prob + following)[useful] - log_beta[useful][:, None]
        kept_next = np.where(kept_log_prob > -np.inf, number[table[useful]], -1)
        kept = Automaton(self.vocabulary, kept_next, kept_log_prob, int(number[start]))
        return kept, float(log_beta[start])

    def kl(self, other: "Automaton") -> float:
        """KL(P ‖ Q) [nat per string] to another automaton over the same vocabulary; exact, by the product machine.

        math.inf if Q lacks an arc or a stop that P uses. Raises `SpecificationError` if the vocabularies differ.
        """
        if self.vocabulary.symbols != other.vocabulary.symbols:
            raise SpecificationError("kl: the two languages must have the same vocabulary, found different ones")
        s, q, table, start = product(
            self.next_state, self._arcs, self.start, other.next_state, other._arcs, other.start
        )
        log_p, log_q = self.arc_log_prob[s], other.arc_log_prob[q]
        if ((log_p > -np.inf) & (log_q == -np.inf)).any():
            return math.inf
        used = log_p > -np.inf
        values = np.where(used, np.exp(log_p) * (np.where(used, log_p, 0.0) - np.where(used, log_q, 0.0)), 0.0)
        moves = arc_matrix(table, table >= 0, self._prob[s])
        return float(absorbing_solve(moves, self._prob[s, EOS], values.sum(axis=1))[start])
