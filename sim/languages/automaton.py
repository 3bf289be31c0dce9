"""Deterministic probabilistic automata. Their languages may be infinite, and linear algebra makes them exact."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

import numpy as np
import scipy.sparse as sp

from sim.languages.absorbing import Absorbing
from sim.languages.automaton_ops import (
    Normalised,
    arc_matrix,
    enumerate_paths,
    normalised,
    product,
    row_divergences,
    row_entropies,
    sum_of_others,
)
from sim.languages.events import Dfa
from sim.languages.exact import Prefix
from sim.languages.finite import SUM_TOLERANCE
from sim.languages.machine import Machine, Strings
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError


@dataclass(frozen=True, eq=False)
class Automaton(Machine):
    """A deterministic PFSA: state s emits symbol a with probability p(s, a), or it stops (column 0).

    `next_state` int[S, V] matters only where `arc_log_prob` float64[S, V] [nat] is above -inf. `start` is the only
    start state, and `state_names` are for messages. The support may be infinite (tier B), and every quantity of the
    language is exact. Raises `SpecificationError` for shapes that disagree, for states that do not exist, for nan or
    positive logs, for a positive probability that underflows, for a state with probabilities that do not sum to 1
    within 1e-9, and for a state without a path to a stop.
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
            raise SpecificationError("automaton: arc_log_prob must be at most 0 and never nan, found other values")
        if ((self.prob == 0) & (self.arc_log_prob > -np.inf)).any():
            smallest = float(self.arc_log_prob[self.arc_log_prob > -np.inf].min())
            raise SpecificationError(
                f"automaton: a probability must be 0 or at least 1e-307, found e^{smallest:.0f}; set it to 0"
            )
        targets = self.next_state[self.arcs]
        if ((targets < 0) | (targets >= shape[0])).any():
            raise SpecificationError(
                f"automaton: next_state must be a state from 0 to {shape[0] - 1} at every arc, found others"
            )
        totals = self.prob.sum(axis=1)
        worst = int(np.argmax(np.abs(totals - 1)))
        if abs(totals[worst] - 1) > SUM_TOLERANCE:
            raise SpecificationError(
                f"automaton: state {self.name(worst)}: probabilities, stop included, must sum to 1 within "
                f"{SUM_TOLERANCE:g}, found {float(totals[worst])!r}; normalise them first"
            )
        self.check_ends()

    @cached_property
    def first(self) -> np.ndarray:
        """The law of the first state, one-hot: float64[S]."""
        return np.eye(1, len(self.next_state), self.start)[0]

    @cached_property
    def moves(self) -> sp.csr_array:
        """M_st, the sum of p(s, a) over the symbols a that lead from s to t: sparse float64[S, S]."""
        return arc_matrix(self.next_state, self.arcs, self.prob)

    @cached_property
    def stops(self) -> np.ndarray:
        """The probability rho to stop in each state: float64[S]."""
        return self.prob[:, EOS]

    @cached_property
    def strings(self) -> Strings:
        """The support: the same machine without its probabilities."""
        return Strings(np.where(self.arcs, self.next_state, -1), self.arc_log_prob[:, EOS] > -np.inf, self.start)

    @cached_property
    def arcs(self) -> np.ndarray:
        """Which symbols may follow each state: bool[S, V]. The end is not one of them."""
        arcs = self.arc_log_prob > -np.inf
        arcs[:, EOS] = False
        return arcs

    @cached_property
    def prob(self) -> np.ndarray:
        """p(s, a), with the stop in column 0: float64[S, V]."""
        return np.exp(self.arc_log_prob)

    @cached_property
    def next_entropy(self) -> np.ndarray:
        """h_s, the entropy of the next symbol, stop included [nat]: float64[S]."""
        return row_entropies(self.prob)

    def entropy(self) -> float:
        """H(P) = pi (I - M)^-1 h [nat per string], exact; h_s is the entropy of the next symbol, stop included.

        Source: Grenander 1976; Soule 1974, Information and Control 25, for the derivations of a regular grammar.
        """
        return self.expected_sum(self.next_entropy)

    def collision(self) -> float:
        """C(P) = sum of P(x)^2 = pi (I - M2)^-1 rho^2, exact.

        M2 is the sum of squared arc probabilities, and rho is the probability to stop.
        """
        squares = self.prob**2
        moves = arc_matrix(self.next_state, self.arcs, squares)
        # 1 - sum p^2 = sum p (1 - p), which does not cancel where one arc is nearly certain
        leaves = squares[:, EOS] + (self.prob * sum_of_others(self.prob)).sum(axis=1)
        return float(Absorbing(moves, leaves).solve(squares[:, EOS])[self.start])

    def position_entropies(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """H_t, the entropy of decision t = 0, ..., `number` - 1 [nat], and the mass alive at t: float64[number] each.

        Strings that have ended contribute 0, so the H_t sum to H(P).
        """
        here, entropies, alive = self.first, [], []
        for _ in range(number):
            entropies.append(float(here @ self.next_entropy))
            alive.append(float(here.sum()))
            here = here @ self.moves
        return np.array(entropies), np.array(alive)

    def _walk(self, tokens: Prefix) -> tuple[int, float]:
        """The state after the symbols up to EOS, and their log-probability [nat]; (-1, -inf) off the support."""
        state, log_p = self.start, 0.0
        for token in (int(t) for t in takewhile(lambda t: int(t) != EOS, tokens)):
            if not 0 < token < len(self.vocabulary) or not self.arcs[state, token]:
                return -1, -np.inf
            log_p += float(self.arc_log_prob[state, token])
            state = int(self.next_state[state, token])
        return state, log_p

    def log_prob(self, tokens: Prefix) -> float:
        """log P(x) [nat] of one string, given with or without its EOS; -inf outside the support."""
        state, log_p = self._walk(tokens)
        return -np.inf if state < 0 else log_p + float(self.arc_log_prob[state, EOS])

    def log_prefix(self, prefix: Prefix) -> float:
        """log of the probability that a string begins with `prefix` [nat]; -inf if no string does."""
        return self._walk(prefix)[1]

    def next_log_probs(self, prefix: Prefix) -> np.ndarray:
        """log P(. | prefix) [nat]: float64[V]. Raises `SpecificationError` if the prefix has probability zero."""
        state, _ = self._walk(prefix)
        if state < 0:
            raise SpecificationError(
                f"prefix {self.vocabulary.written(prefix)} has probability 0: no next token is defined"
            )
        return self.arc_log_prob[state].copy()

    def moves_by(self, state: int, token: int) -> list[int]:
        """The states that a token leads to from a state: one, or none."""
        return [int(self.next_state[state, token])] if self.arcs[state, token] else []

    def _listed(self, length: int) -> tuple[np.ndarray, np.ndarray]:
        return enumerate_paths(self.next_state, self.arc_log_prob, self.start, length)

    def reweighted(self, found: Normalised, states: np.ndarray) -> "Automaton":
        """The automaton with new weights. `states` maps each state of the weights to a state of this automaton."""
        names = tuple(self.state_names[s] for s in states[found.states]) if self.state_names else ()
        return Automaton(self.vocabulary, found.next_state, found.log_prob, found.start, names)

    def condition(self, event: Dfa, place: str = "restriction") -> tuple["Automaton", float]:
        """P(. | A) for the strings A that a DFA accepts, again as an automaton, and log P(A) [nat]; exact.

        It is the product machine, with each arc weighted by the probability that a string ends in A after it. Only
        pairs of states that lead to acceptance are kept. Raises `SpecificationError` if P(A) = 0, or if a weight
        underflows.
        """
        every = np.ones(event.next_state.shape, bool)
        s, q, table, start = product(self.next_state, self.arcs, self.start, event.next_state, every, event.start)
        log_weight = self.arc_log_prob[s].copy()
        log_weight[~event.accept[q], EOS] = -np.inf
        return self._conditioned(table, log_weight, start, self.stops[s], s, place)

    def without(
        self, states: Collection[int], arcs: Collection[tuple[int, int]], place: str = "restriction"
    ) -> tuple["Automaton", float]:
        """P(. | A) and log P(A) [nat], exact; A holds the strings with a path that avoids `states` and `arcs`.

        An arc is a pair (state, token). Raises `SpecificationError` if no string is left.
        """
        gone = np.isin(self.next_state, list(states)) & self.arcs
        gone[list(states)] = True
        for state, token in arcs:
            gone[state, token] = True
        log_weight = np.where(gone, -np.inf, self.arc_log_prob)
        leaves = self.stops + np.where(gone[:, EOS + 1 :], self.prob[:, EOS + 1 :], 0.0).sum(axis=1)
        every = np.arange(len(self.next_state))
        return self._conditioned(self.next_state, log_weight, self.start, leaves, every, place)

    def _conditioned(
        self, table: np.ndarray, log_weight: np.ndarray, start: int, leaves: np.ndarray, states: np.ndarray, place: str
    ) -> tuple["Automaton", float]:
        try:
            found = normalised(table, log_weight, start, leaves)
        except SpecificationError as problem:
            raise SpecificationError(f"{place}: {problem}") from None
        if found is None:
            raise SpecificationError(f"{place}: P(A) must be positive, found 0: it keeps no string of the language")
        return self.reweighted(found, states), found.log_mass

    def kl(self, other: "Automaton") -> float:
        """KL(P ‖ Q) [nat per string] to another automaton over the same vocabulary; exact, by the product machine.

        It is math.inf if Q lacks an arc or a stop that P uses. The rounding of the logs adds about 1e-32 per symbol,
        which matters only for strings of about 10^20 symbols. Raises `SpecificationError` if the vocabularies differ.
        """
        s, q, table, start = self._paired(other)
        values = row_divergences(self.arc_log_prob[s], other.arc_log_prob[q])
        if np.isinf(values).any():
            return math.inf
        moves = arc_matrix(table, table >= 0, self.prob[s])
        return float(Absorbing(moves, self.prob[s, EOS]).solve(values)[start])

    def square_hellinger(self, other: "Automaton") -> float:
        """H^2 = 1 - sum of sqrt(P(x) Q(x)), in [0, 1]; exact, by the product machine and without subtraction.

        For a pair of states let B be the sum of sqrt(P Q) over continuations. Then D = 1 - B solves D = e + W D, where
        W holds sqrt(p q) for every arc, and e is half the squared distance between the square roots of the two
        next-token laws. Raises `SpecificationError` if the vocabularies differ.
        """
        s, q, table, start = self._paired(other)
        root_p, root_q = np.exp(0.5 * self.arc_log_prob[s]), np.exp(0.5 * other.arc_log_prob[q])
        apart = 0.5 * ((root_p - root_q) ** 2).sum(axis=1)
        moves = arc_matrix(table, table >= 0, root_p * root_q)
        return float(Absorbing(moves, apart + root_p[:, EOS] * root_q[:, EOS]).solve(apart)[start])

    def _paired(self, other: "Automaton") -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """The product with another automaton. Raises `SpecificationError` if the vocabularies differ."""
        if self.vocabulary.symbols != other.vocabulary.symbols:
            raise SpecificationError(
                "divergence: two languages with the same vocabulary are required, found different vocabularies"
            )
        return product(self.next_state, self.arcs, self.start, other.next_state, other.arcs, other.start)
