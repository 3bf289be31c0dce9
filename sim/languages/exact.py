"""What exact languages of every kind have in common; an ability that a kind lacks is an error, never an estimate."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError

Prefix: TypeAlias = Sequence[int] | np.ndarray
"""Tokens of a string or of its beginning."""


class UnavailableError(SpecificationError):
    """Something that is not exactly known of a language of this kind; the message says why, and what to ask instead."""


def unavailable(what: str, why: str, instead: str) -> UnavailableError:
    """The error for an ability that a language lacks, one line."""
    return UnavailableError(f"{what}: {why}; {instead}")


@runtime_checkable
class ExactLanguage(Protocol):
    """A distribution over strings that is known exactly, in float64 on the host.

    Listed strings (`FiniteLanguage`, tier A), deterministic and non-deterministic automata (`Automaton`,
    `HiddenAutomaton`) and weighted context-free grammars (`ContextFree`), which may be infinite (tier B). Whatever is
    not exactly known of a kind raises `UnavailableError`.
    """

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols, EOS first."""
        ...

    def log_prob(self, tokens: Prefix) -> float:
        """log P(x) [nat] of one string given with or without its EOS; -inf outside the support."""
        ...

    def log_prefix(self, prefix: Prefix) -> float:
        """log of the probability that a string begins with `prefix` [nat]; -inf if none does."""
        ...

    def next_log_probs(self, prefix: Prefix) -> np.ndarray:
        """log P(. | prefix) [nat]: float64[V]. Raises `SpecificationError` for a prefix of probability zero."""
        ...

    def entropy(self) -> float:
        """H(P) [nat per string], of strings; math.inf where it is infinite."""
        ...

    def collision(self) -> float:
        """C(P) = sum of P(x)^2, the probability that two independent strings are equal."""
        ...

    def expected_length(self) -> float:
        """E|x| [symbols], EOS not counted; math.inf where it is infinite."""
        ...
