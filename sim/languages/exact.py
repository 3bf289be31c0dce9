"""The interface that all exact languages share. A quantity that a kind lacks raises an error; it is never estimated."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError

Prefix: TypeAlias = Sequence[int] | np.ndarray
"""The tokens of a string or of a prefix."""


class UnavailableError(SpecificationError):
    """A quantity is not exactly known for this kind of language. The message says why, and what to ask for instead."""


def unavailable(what: str, why: str, instead: str) -> UnavailableError:
    """Return the one-line error for a quantity `what` that a language cannot give."""
    return UnavailableError(f"{what}: {why}; {instead}")


@runtime_checkable
class ExactLanguage(Protocol):
    """A distribution over strings that is known exactly, in float64 on the host.

    The kinds are lists of strings (`FiniteLanguage`, tier A), deterministic and non-deterministic automata
    (`Automaton`, `HiddenAutomaton`) and weighted context-free grammars (`ContextFree`). The last three may be infinite
    (tier B). A method raises `UnavailableError` if its quantity is not exactly known for the kind.
    """

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols, EOS first."""
        ...

    def log_prob(self, tokens: Prefix) -> float:
        """log P(x) [nat] of one string, given with or without its EOS; -inf outside the support."""
        ...

    def log_prefix(self, prefix: Prefix) -> float:
        """log of the probability that a string begins with `prefix` [nat]; -inf if no string does."""
        ...

    def next_log_probs(self, prefix: Prefix) -> np.ndarray:
        """log P(. | prefix) [nat]: float64[V]. Raises `SpecificationError` if the prefix has probability zero."""
        ...

    def entropy(self) -> float:
        """Entropy H(P) of the strings [nat per string]; math.inf if it is infinite."""
        ...

    def collision(self) -> float:
        """C(P) = sum of P(x)^2, the probability that two independent strings are equal."""
        ...

    def expected_length(self) -> float:
        """E|x| [symbols], EOS not counted; math.inf if it is infinite."""
        ...
