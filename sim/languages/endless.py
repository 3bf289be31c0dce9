"""Sources that emit symbols for ever. They have prefixes, blocks and an entropy rate, but no strings."""

import math
from abc import ABC, abstractmethod

import numpy as np

from sim.languages.exact import Prefix, unavailable
from sim.languages.machine import Machine
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from sim.quantity import Quantity

NEVER_STOPS = "its sequences never end"
BLOCKS = "give it an end, or take blocks of a fixed length (length)"


class Endless(ABC):
    """A source whose sequences never end. Every string has probability 0, so quantities of strings are refused.

    P(x_1..x_n), the probability of a block of the first n symbols, is the probability of a prefix.
    """

    vocabulary: Vocabulary
    state_names: tuple[str, ...]

    @property
    @abstractmethod
    def moves(self) -> np.ndarray:
        """The probabilities to move between states: float64[S, S]; rows sum to 1."""

    @abstractmethod
    def rate(self) -> Quantity:
        """lim H(X_1..X_n) / n [nat per symbol], exact or bounded."""

    @abstractmethod
    def frequencies(self) -> np.ndarray:
        """The long-run frequency of every symbol: float64[V]."""

    @abstractmethod
    def block_entropies(self, number: int) -> np.ndarray:
        """H(X_1..X_n) [nat] for n = 0, 1, ..., at most `number`. It stops earlier if there are too many blocks."""

    @abstractmethod
    def log_prefix(self, prefix: Prefix) -> float:
        """log of the probability that a sequence begins with `prefix` [nat]; -inf if no sequence does."""

    @abstractmethod
    def _next_law(self, prefix: Prefix) -> np.ndarray | None:
        """log P(. | prefix) [nat]: float64[V]; None if the prefix has probability zero."""

    @abstractmethod
    def blocks(self, number: int) -> Machine:
        """The law of the first `number` symbols, as a language of strings of this length."""

    def next_log_probs(self, prefix: Prefix) -> np.ndarray:
        """log P(. | prefix) [nat]: float64[V]; the end has -inf.

        Raises `SpecificationError` if the prefix has probability zero.
        """
        law = self._next_law(prefix)
        if law is None:
            raise SpecificationError(
                f"prefix {self.vocabulary.written(prefix)} has probability 0: no next token is defined"
            )
        return law

    def log_prob(self, tokens: Prefix) -> float:
        """Raise `UnavailableError`, because every string has probability 0."""
        raise unavailable("probability of a string", NEVER_STOPS, f"take that of a prefix (--prefix), {BLOCKS}")

    def entropy(self) -> float:
        """Raise `UnavailableError`, because only the entropy rate exists."""
        raise unavailable("entropy", NEVER_STOPS, "use entropy_rate, or take blocks of a fixed length (length)")

    def collision(self) -> float:
        """Raise `UnavailableError`, because every string has probability 0."""
        raise unavailable("collision probability", NEVER_STOPS, BLOCKS)

    def expected_length(self) -> float:
        """E|x|, which is infinite."""
        return math.inf
