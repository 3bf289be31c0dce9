"""Non-deterministic probabilistic automata and hidden Markov models: the state is not read off the string."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

import numpy as np

from sim.languages.automaton_ops import SMALLEST, absorbing_solve
from sim.languages.events import Dfa
from sim.languages.exact import Prefix, unavailable
from sim.languages.finite import SUM_TOLERANCE
from sim.languages.hidden_ops import (
    MAX_PAIRS,
    accepting_paths,
    deterministic,
    enumerate_forward,
    has_two_paths,
    paired,
    path_entropies,
    walked,
)
from sim.languages.machine import Machine, Strings
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError
from sim.quantity import Quantity

LIST_THEM = "list its strings with a length (tier A)"


@dataclass(frozen=True, eq=False)
class HiddenAutomaton(Machine):
    """A start state is drawn; state s emits symbol a and moves to t with probability p(s, a, t), or stops.

    `initial` float64[S], `transitions` float64[V, S, S] (a, s, t; those of EOS are zero), `stopping` float64[S]. An HMM
    that emits from its states is one with p(s, a, t) = B(s, a) T(s, t). Exact by the forward algorithm: probabilities
    of strings and prefixes, next tokens, expected length, collision probability; the entropy where every string has
    one path, elsewhere bounds (`entropy_bounds`). Raises `SpecificationError` for numbers that are no probabilities,
    for a state whose probabilities do not sum to 1 within 1e-9, and for one that no path leads to a stop.
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
        every = np.concatenate([self.initial, self.transitions.ravel(), self.stopping])
        if not (every >= 0).all() or self.transitions[EOS].any():
            raise SpecificationError("automaton: probabilities of at least 0 are required, and none of EOS as a symbol")
        totals = np.append(self.moves.sum(axis=1) + self.stopping, self.initial.sum())
        worst = int(np.argmax(np.abs(totals - 1)))
        if abs(totals[worst] - 1) > SUM_TOLERANCE:
            place = "initial" if worst == S else f"state {self.name(worst)}"
            raise SpecificationError(
                f"automaton: {place}: probabilities, stop included, must sum to 1 within "
                f"{SUM_TOLERANCE:g}, found {float(totals[worst])!r}; normalise them first"
            )
        self.check_ends()

    @property
    def first(self) -> np.ndarray:
        """pi, the law of the first state: float64[S]."""
        return self.initial

    @property
    def stops(self) -> np.ndarray:
        """rho, the probability to stop: float64[S]."""
        return self.stopping

    @cached_property
    def moves(self) -> np.ndarray:
        """M, the probability to move between two states, whatever is emitted: float64[S, S]."""
        return self.transitions.sum(axis=0)

    @cached_property
    def strings(self) -> Strings:
        """The support as a deterministic machine of sets of states; raises `UnavailableError` for more than 20 000."""
        return deterministic(self.initial, self.transitions, self.stopping)

    @cached_property
    def unambiguous(self) -> bool:
        """Whether every string has one path only."""
        return not has_two_paths(self.initial, self.transitions, self.stopping)

    def entropy(self) -> float:
        """H(P) [nat per string], exact where every string has one path: then it is the entropy of the paths.

        Raises `UnavailableError` elsewhere: no formula is known, `entropy_bounds` is what linear algebra gives, and a
        listed language (`enumerate`) has it exactly.
        """
        if not self.unambiguous:
            why = "strings have several paths, whose entropy is larger than that of the strings"
            raise unavailable("entropy", why, f"use entropy_bounds, or {LIST_THEM}")
        return self.path_entropy()

    def path_entropy(self) -> float:
        """Entropy of the path of states and symbols [nat], at least that of the string; exact."""
        _, paths, start = path_entropies(self.initial, self.transitions, self.stopping)
        return start + self.expected_sum(paths)

    def entropy_bounds(self) -> Quantity:
        """Certified bounds of H(P) [nat per string], each exact by linear algebra.

        Below: the entropy of the next symbol given the state, summed over the states that a path visits (to know the
        state is to know more than the symbols so far). Above: the entropy of the path, which tells the string.
        Source: Cover & Thomas 2006, section 4.5, "Functions of Markov chains".
        """
        symbols, _, _ = path_entropies(self.initial, self.transitions, self.stopping)
        upper = self.path_entropy()
        return Quantity(min(self.expected_sum(symbols), upper), upper)  # equal but for rounding where the state shows

    def collision(self) -> float:
        """C(P) = sum of P(x)^2 = (pi x pi) (I - sum_a M_a x M_a)^-1 (rho x rho), on the pairs of states that occur.

        Raises `UnavailableError` for more than 2 000 pairs.
        """
        pairs = paired(self.initial, self.transitions, self.stopping)
        if pairs is None:
            why = f"at most {MAX_PAIRS} pairs of states are solved for, found more"
            raise unavailable("collision probability", why, LIST_THEM)
        weights, moves, leaves, values = pairs
        return float(weights @ absorbing_solve(moves, leaves, values))

    def _forward(self, tokens: Prefix) -> tuple[np.ndarray, float]:
        """P(state | symbols so far), float64[S], and the log-probability of the symbols up to the first EOS [nat]."""
        here, log_p = self.initial, 0.0
        for token in (int(t) for t in takewhile(lambda t: int(t) != EOS, tokens)):
            if not 0 < token < len(self.vocabulary):
                return np.zeros_like(here), -np.inf
            here = here @ self.transitions[token]
            total = float(here.sum())
            if total == 0:
                return here, -np.inf
            here, log_p = here / total, log_p + math.log(total)
        return here, log_p

    def log_prob(self, tokens: Prefix) -> float:
        """log P(x) [nat] of one string given with or without its EOS; -inf outside the support."""
        here, log_p = self._forward(tokens)
        with np.errstate(divide="ignore"):
            return log_p + float(np.log(here @ self.stopping))

    def log_prefix(self, prefix: Prefix) -> float:
        """log of the probability that a string begins with `prefix` [nat]; -inf if none does."""
        return self._forward(prefix)[1]

    def next_log_probs(self, prefix: Prefix) -> np.ndarray:
        """log P(. | prefix) [nat]: float64[V]. Raises `SpecificationError` for a prefix of probability zero."""
        here, log_p = self._forward(prefix)
        if log_p == -np.inf:
            raise SpecificationError(
                f"prefix {self.vocabulary.written(prefix)} has probability 0: no next token is defined"
            )
        law = np.einsum("s,ast->a", here, self.transitions)
        law[EOS] = here @ self.stopping
        with np.errstate(divide="ignore"):
            return np.log(law)

    def moves_by(self, state: int, token: int) -> list[int]:
        """States that a token may lead to from a state."""
        found: list[int] = np.flatnonzero(self.transitions[token, state]).tolist()
        return found

    def _listed(self, length: int) -> tuple[np.ndarray, np.ndarray]:
        return enumerate_forward(self.initial, self.transitions, self.stopping, self.steps_to_stop, length)

    def condition(self, event: Dfa, place: str = "restriction") -> tuple["HiddenAutomaton", float]:
        """P(. | A) for the strings A that a DFA accepts, again such an automaton, and log P(A) [nat]; exact.

        As `Automaton.condition`, on the pairs of a state and a state of the event.
        """
        initial, weights, stops, states = accepting_paths(self.initial, self.transitions, self.stopping, event)
        return self._conditioned(initial, weights, stops, self.stopping[states], states, place)

    def without(
        self, states: Collection[int], arcs: Collection[tuple[int, int, int]], place: str = "restriction"
    ) -> tuple["HiddenAutomaton", float]:
        """The strings of the paths that avoid states and arcs (state, token, next), and the log mass of those paths.

        P(. | path avoids them): no event of strings where a string has other paths as well. Exact; raises
        `SpecificationError` if no path is left.
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
        """Weights of paths as probabilities, p(s, a, t) = w(s, a, t) Z_t / Z_s, and the log of their total."""
        moves = weights.sum(axis=0)
        mass = absorbing_solve(moves, leaves, stops)
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
