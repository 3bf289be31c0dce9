"""Non-deterministic probabilistic automata and hidden Markov models. A string does not determine its states."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

import numpy as np
import scipy.sparse as sp

from sim.languages.absorbing import SMALLEST, Absorbing
from sim.languages.events import Dfa
from sim.languages.exact import Prefix, unavailable
from sim.languages.hidden_forward import forward, log_next
from sim.languages.hidden_ops import (
    MAX_PAIRS,
    accepting_paths,
    check_laws,
    deterministic,
    enumerate_forward,
    has_two_paths,
    paired,
    path_entropies,
    walked,
)
from sim.languages.machine import Machine, Strings
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError, log_sum_exp
from sim.quantity import Quantity

LIST_THEM = "list its strings with a length (tier A)"


@dataclass(frozen=True, eq=False)
class HiddenAutomaton(Machine):
    """A walk with a random start state: state s emits symbol a and moves to t with probability p(s, a, t), or it stops.

    `initial` is float64[S], `transitions` is float64[V, S, S] (a, s, t; zero for EOS), and `stopping` is float64[S]. A
    hidden Markov model that emits from its states has p(s, a, t) = B(s, a) T(s, t). Exact are the probabilities of
    strings and prefixes, the laws of next tokens, the expected length and the collision probability. The entropy is
    exact if every string has one path; otherwise it is bounded (`entropy_bounds`). Raises `SpecificationError` for
    shapes that disagree, for negative numbers or nan, for probabilities of a state or of the start that do not sum to
    1 within 1e-9, and for a state without a path to a stop.
    """

    vocabulary: Vocabulary
    initial: np.ndarray
    transitions: np.ndarray
    stopping: np.ndarray
    state_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        S, V = len(self.stopping), len(self.vocabulary)
        if self.initial.shape != (S,) or self.transitions.shape != (V, S, S) or not S:
            raise SpecificationError(
                f"automaton: initial [S], transitions [{V}, S, S] and stopping [S] are required, "
                f"found {self.initial.shape}, {self.transitions.shape} and {self.stopping.shape}"
            )
        totals = self.moves.sum(axis=1) + self.stopping
        check_laws("automaton", self.initial, self.transitions, self.stopping, totals, self.state_names)
        self.check_ends()

    @property
    def first(self) -> np.ndarray:
        """The law pi of the first state: float64[S]."""
        return self.initial

    @property
    def stops(self) -> np.ndarray:
        """The probability rho to stop in each state: float64[S]."""
        return self.stopping

    @cached_property
    def moves(self) -> sp.csr_array:
        """The matrix M of the probabilities to move between states, with any symbol: sparse float64[S, S]."""
        return sp.csr_array(self.transitions.sum(axis=0))

    @cached_property
    def strings(self) -> Strings:
        """The support as a deterministic machine of sets of states. Raises `UnavailableError` for over 20 000 sets."""
        return deterministic(self.initial, self.transitions, self.stopping)

    @cached_property
    def unambiguous(self) -> bool:
        """Whether every string has only one path."""
        return not has_two_paths(self.initial, self.transitions, self.stopping)

    def entropy(self) -> float:
        """H(P) [nat per string], exact if every string has one path, because it is then the entropy of the paths.

        Otherwise it raises `UnavailableError`, because no formula is known. Linear algebra then gives `entropy_bounds`,
        and the listed language (`enumerate`) has the exact entropy.
        """
        if not self.unambiguous:
            why = "strings have several paths, so the entropy of the paths is larger than that of the strings"
            raise unavailable("entropy", why, f"use entropy_bounds, or {LIST_THEM}")
        return self.path_entropy()

    def path_entropy(self) -> float:
        """Entropy of the path of states and symbols [nat], exact. It is at least the entropy of the string."""
        _, paths, start = path_entropies(self.initial, self.transitions, self.stopping)
        return start + self.expected_sum(paths)

    def entropy_bounds(self) -> Quantity:
        """Certified bounds of H(P) [nat per string], each computed exactly by linear algebra.

        The lower bound is the entropy of the next symbol given the state, summed over the states that a path visits. It
        holds because conditioning on the state, and not only on the past symbols, can only lower the entropy. The upper
        bound is the entropy of the path, because the path determines the string.
        Source: Cover & Thomas 2006, section 4.5, "Functions of Markov chains".
        """
        symbols, _, _ = path_entropies(self.initial, self.transitions, self.stopping)
        upper = self.path_entropy()
        return Quantity(min(self.expected_sum(symbols), upper), upper)  # equal bounds may be swapped by rounding

    def collision(self) -> float:
        """C(P) = sum of P(x)^2 = (pi x pi) (I - sum_a M_a x M_a)^-1 (rho x rho), with the tensor product x; exact.

        It is solved on the pairs of states that occur. Raises `UnavailableError` for more than 2 000 pairs.
        """
        pairs = paired(self.initial, self.transitions, self.stopping)
        if pairs is None:
            why = f"at most {MAX_PAIRS} pairs of states can be solved for, found more"
            raise unavailable("collision probability", why, LIST_THEM)
        weights, moves, leaves, values = pairs
        return float(weights @ Absorbing(moves, leaves).solve(values))

    def _forward(self, tokens: Prefix) -> tuple[np.ndarray, float]:
        """log P(state | symbols), float64[S], and log P(symbols) [nat], for the symbols up to the first EOS."""
        return forward(self.initial, self.transitions, takewhile(lambda token: token != EOS, map(int, tokens)))

    def log_prob(self, tokens: Prefix) -> float:
        """log P(x) [nat] of one string, given with or without its EOS; -inf outside the support."""
        here, log_p = self._forward(tokens)
        with np.errstate(divide="ignore"):
            return log_p + float(log_sum_exp(here + np.log(self.stopping)))

    def log_prefix(self, prefix: Prefix) -> float:
        """log of the probability that a string begins with `prefix` [nat]; -inf if no string does."""
        return self._forward(prefix)[1]

    def next_log_probs(self, prefix: Prefix) -> np.ndarray:
        """log P(. | prefix) [nat]: float64[V]. Raises `SpecificationError` if the prefix has probability zero."""
        here, log_p = self._forward(prefix)
        if log_p == -np.inf:
            raise SpecificationError(
                f"prefix {self.vocabulary.written(prefix)} has probability 0: no next token is defined"
            )
        return log_next(here, self.transitions, self.stopping)

    def moves_by(self, state: int, token: int) -> list[int]:
        """The states that a token may lead to from a state."""
        found: list[int] = np.flatnonzero(self.transitions[token, state]).tolist()
        return found

    def _listed(self, length: int) -> tuple[np.ndarray, np.ndarray]:
        return enumerate_forward(self.initial, self.transitions, self.stopping, self.steps_to_stop, length)

    def condition(self, event: Dfa, place: str = "restriction") -> tuple["HiddenAutomaton", float]:
        """P(. | A) for the strings A that a DFA accepts, again as a hidden automaton, and log P(A) [nat]; exact.

        It works as `Automaton.condition`, on pairs of a state of this automaton and a state of the DFA.
        """
        initial, weights, stops, states = accepting_paths(self.initial, self.transitions, self.stopping, event)
        return self._conditioned(initial, weights, stops, self.stopping[states], states, place)

    def without(
        self, states: Collection[int], arcs: Collection[tuple[int, int, int]], place: str = "restriction"
    ) -> tuple["HiddenAutomaton", float]:
        """P(. | the path avoids `states` and `arcs`) and the log mass of such paths [nat]; exact.

        An arc is (state, token, next state). The event is not a set of strings if a string has other paths as well.
        Raises `SpecificationError` if no path is left.
        """
        keep = ~np.isin(np.arange(len(self.stopping)), list(states))
        weights = self.transitions * keep[None, :, None] * keep[None, None, :]
        for s, a, t in arcs:
            weights[a, s, t] = 0.0
        leaves = self.stopping + (self.transitions - weights).sum(axis=(0, 2))
        every = np.arange(len(self.stopping))
        return self._conditioned(self.initial * keep, weights, self.stopping * keep, leaves, every, place)

    def _conditioned(
        self,
        initial: np.ndarray,
        weights: np.ndarray,
        stops: np.ndarray,
        leaves: np.ndarray,
        states: np.ndarray,
        place: str,
    ) -> tuple["HiddenAutomaton", float]:
        """Turn weights into probabilities, p(s, a, t) = w(s, a, t) Z_t / Z_s, and return the log of their total."""
        moves = weights.sum(axis=0)
        mass = Absorbing(moves, leaves).solve(stops)
        alive = walked(stops > 0, moves.T > 0)
        if not (alive & (initial > 0)).any():
            raise SpecificationError(f"{place}: P(A) must be positive, found 0: it keeps no string of the language")
        if not (mass[alive] >= SMALLEST).all():
            raise SpecificationError(f"{place}: P(A | prefix) must be above 1e-308 at every prefix, found an underflow")
        total = float(initial @ mass)
        kept = np.flatnonzero(alive & walked(alive & (initial > 0), (moves > 0) & alive[None, :]))
        transitions = weights[:, kept][:, :, kept] * mass[kept][None, None, :] / mass[kept][None, :, None]
        names = tuple(self.state_names[s] for s in states[kept]) if self.state_names else ()
        first, stopping = (initial * mass)[kept] / total, stops[kept] / mass[kept]
        return HiddenAutomaton(self.vocabulary, first, transitions, stopping, names), math.log(total)
