"""Hidden Markov models and non-deterministic automata that never stop: block probabilities and the entropy rate."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.chain import closed_classes
from sim.languages.endless import Endless
from sim.languages.exact import Prefix, unavailable
from sim.languages.hidden import HiddenAutomaton
from sim.languages.hidden_forward import forward, log_next
from sim.languages.hidden_ops import check_laws
from sim.languages.machine import END
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError
from sim.quantity import Quantity

MAX_BLOCKS = 20_000
"""Largest number of blocks whose probabilities are summed for a block entropy."""

MAX_WEIGHTS, LONGEST_BLOCK = 200_000, 100
"""Largest number of weights [blocks, S, S], and longest block [symbols], for the bounds of the entropy rate."""

ROUNDING = 1e-12
"""Rounding that may move a bound of the entropy rate, relative to the block entropies behind it."""

MAX_ENTRIES = 20_000_000
"""Largest number of entries of the transitions [V, K, K] of the law of blocks."""


@dataclass(frozen=True, eq=False)
class HiddenChain(Endless):
    """A source that emits symbols for ever: state s emits symbol a and moves to t with probability p(s, a, t).

    `initial` is float64[S], and `transitions` is float64[V, S, S] (a, s, t; zero for EOS). A hidden Markov model that
    emits from its states has p(s, a, t) = B(s, a) T(s, t). Exact are the probabilities of prefixes (and so of blocks of
    n symbols), the laws of next tokens and the long-run frequencies; the entropy rate is bounded. Raises
    `SpecificationError` for shapes that disagree, for negative numbers or nan, and for probabilities of a state or of
    the start that do not sum to 1 within 1e-9.
    """

    vocabulary: Vocabulary
    initial: np.ndarray
    transitions: np.ndarray
    state_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        S, V = len(self.initial), len(self.vocabulary)
        if not S or self.transitions.shape != (V, S, S):
            raise SpecificationError(
                f"hidden chain: initial [S] and transitions [{V}, S, S] are required, "
                f"found {self.initial.shape} and {self.transitions.shape}"
            )
        check_laws("hidden chain", self.initial, self.transitions, None, self.moves.sum(axis=1), self.state_names)

    @cached_property
    def moves(self) -> np.ndarray:
        """The probabilities to move between states: float64[S, S]; rows sum to 1."""
        return np.asarray(self.transitions.sum(axis=0))

    @cached_property
    def classes(self) -> list[tuple[float, np.ndarray, np.ndarray]]:
        """The closed classes of states: the probability to end up in each, its states and its stationary law."""
        return closed_classes(self.moves, self.initial)

    def log_prefix(self, prefix: Prefix) -> float:
        """log P(x_1..x_n) [nat], the probability that a sequence begins with these n symbols; exact."""
        return forward(self.initial, self.transitions, map(int, prefix))[1]

    def _next_law(self, prefix: Prefix) -> np.ndarray | None:
        here, log_p = forward(self.initial, self.transitions, map(int, prefix))
        return None if log_p == -np.inf else log_next(here, self.transitions)

    def frequencies(self) -> np.ndarray:
        """The long-run frequency of every symbol, as a mean over the closed classes of states: float64[V]."""
        emits = self.transitions.sum(axis=2).T
        return np.asarray(sum(share * (law @ emits[block]) for share, block, law in self.classes))

    def block_entropies(self, number: int) -> np.ndarray:
        """H(X_1..X_n) [nat] for n = 0, 1, ..., `number`, exact; fewer if there are over 20 000 blocks of n symbols."""
        weights, found = self.initial[None, None], [0.0]
        for _ in range(number):
            weights = _longer(weights, self.transitions)
            if len(weights) > MAX_BLOCKS:
                break
            found.append(_entropy(weights.sum(axis=2)[:, 0]))
        return np.array(found)

    def rate(self) -> Quantity:
        """Bounds on the entropy rate lim H(X_1..X_n) / n [nat per symbol].

        In a closed class that starts from its stationary law, H(X_n | X_1..X_{n-1}, S_1) rises with n to the entropy
        rate of the class, and H(X_n | X_1..X_{n-1}) falls to it. The bounds are those of the longest n that is
        affordable, as a mean over the classes, weighted by the probability to end up in each.
        Source: Cover & Thomas 2006, section 4.5, "Functions of Markov chains".
        """
        pairs = [(share, self._class_rate(block, law)) for share, block, law in self.classes if share > 0]
        lower = math.fsum(share * one.lower for share, one in pairs)
        upper = math.fsum(share * one.upper for share, one in pairs)
        return Quantity.within_rounding(lower, upper, ROUNDING)

    def _class_rate(self, block: np.ndarray, law: np.ndarray) -> Quantity:
        """The bounds of one closed class. Equal bounds may be swapped by rounding."""
        lower = upper = known = given = 0.0
        for weights in _lengths(self.transitions[:, block][:, :, block]):
            p = weights.sum(axis=2)
            entropy = _entropy(p @ law)
            conditional = math.fsum(share * _entropy(p[:, s]) for s, share in enumerate(law))
            upper, lower = entropy - known, conditional - given
            known, given = entropy, conditional
        return Quantity.within_rounding(lower, upper, ROUNDING * max(1.0, known))

    def blocks(self, number: int) -> HiddenAutomaton:
        """The law of the first `number` symbols, as an automaton with the states (time, state) and one end.

        Raises `UnavailableError` if its transitions have more than 2 * 10^7 entries.
        """
        (S,), V = self.initial.shape, len(self.vocabulary)
        K = S * number + 1
        if V * K * K > MAX_ENTRIES:
            why = f"{number} symbols of {S} states need more than {MAX_ENTRIES} transitions"
            raise unavailable("blocks", why, "lower the length")
        table = np.zeros((V, K, K))
        for t in range(number):
            here, following = slice(t * S, (t + 1) * S), slice((t + 1) * S, (t + 2) * S)
            last = t == number - 1
            table[:, here, following] = self.transitions.sum(axis=2, keepdims=True) if last else self.transitions
        first, stopping = np.zeros(K), np.zeros(K)
        first[: S if number else 1] = self.initial if number else 1.0
        stopping[-1] = 1.0
        named = self.state_names or tuple(map(str, range(S)))
        names = (*(f"{name}@{t}" for t in range(number) for name in named), END)
        return HiddenAutomaton(self.vocabulary, first, table, stopping, names)


def _longer(weights: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    """The weights [blocks, R, S] of all blocks with one more symbol, from R starts; impossible blocks are left out."""
    longer = np.concatenate([weights @ transitions[token] for token in range(EOS + 1, len(transitions))])
    return np.asarray(longer[longer.any(axis=(1, 2))])


def _lengths(transitions: np.ndarray) -> Iterator[np.ndarray]:
    """Yield P(block, last state | first state) [blocks, S, S] for blocks of 1, 2, ... symbols while they are few."""
    S = transitions.shape[1]
    weights = np.eye(S)[None]
    for length in range(1, LONGEST_BLOCK + 1):
        if length > 1 and len(weights) * (len(transitions) - 1) * S * S > MAX_WEIGHTS:
            return
        weights = _longer(weights, transitions)
        yield weights


def _entropy(p: np.ndarray) -> float:
    """- sum p log p [nat], with 0 log 0 = 0."""
    p = p[p > 0]
    return -math.fsum(p * np.log(p))
