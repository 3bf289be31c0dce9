"""The world of a run whose strings are not listed: the laws of P and S, and of the first L tokens of their strings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sim.languages.exact import UnavailableError
from sim.laws.narrowing import NarrowedLaw
from sim.laws.protocol import Law
from sim.numerics import EOS

EVERYTHING = 1e-12
"""A P(A) that differs from 1 by less than this is 1: its log is a sum that is rounded."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a model of horizon L sees of a law: the first L tokens of every string, its end included.

    A row of tokens is int[L]: a string, its end, and zeros; or the first L symbols of a longer string, without a zero.
    """

    law: Law
    length: int  # L

    def sample(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Draw independent rows: int32[number, L]."""
        drawn = self.law.sample(rng, number)[:, : self.length]
        return np.pad(drawn, ((0, 0), (0, self.length - drawn.shape[1]))).astype(np.int32)

    def next_token(self, rows: np.ndarray) -> np.ndarray:
        """P(next token | the first t tokens of a row), for t = 0 ... L - 1: float64[N, L, V]; 0 off the language."""
        return self.law.next_token(rows)[:, : self.length]

    def log_prob(self, rows: np.ndarray) -> np.ndarray:
        """log P of the first L tokens of a string being the row [nat]: float64[N]; -inf off the language."""
        return self.law.prefix_log_prob(rows)[:, self.length]


@dataclass(frozen=True, eq=False)
class UnlistedWorld:
    """P, its restriction S, and the horizon L. `notes` are numbers that the construction reports."""

    p: Seen
    narrowed: NarrowedLaw
    notes: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def s(self) -> Seen:
        """S, as far as a model sees it."""
        return Seen(self.narrowed.law, self.p.length)

    @property
    def length(self) -> int:
        """The horizon L [tokens]."""
        return self.p.length

    @property
    def vocab_size(self) -> int:
        """The number of tokens V, the end included."""
        return len(self.p.law.vocabulary)

    @property
    def leaves_out(self) -> bool:
        """Whether S = P_A, and A is not everything: then B, the rest of P, is what S leaves out."""
        return self.narrowed.narrowing == 0.0 and self.narrowed.log_mass < -EVERYTHING

    def log_member(self, log_p: np.ndarray, log_s: np.ndarray) -> np.ndarray:
        """log P(A | row) [nat] = log S + log P(A) - log P, for S = P(. | A); -inf where P or S is 0: float64[N].

        A is a set of strings or of derivations. Only a restriction that conditions has an A: KL(S||P_A) = 0.
        """
        possible = (log_p > -np.inf) & (log_s > -np.inf)
        with np.errstate(invalid="ignore"):
            return np.where(possible, log_s + self.narrowed.log_mass - log_p, -np.inf)

    def facts(self) -> dict[str, Any]:
        """What is exactly known about P and S, and what is not known: JSON."""
        return {
            "length": self.length,
            "log_mass": self.narrowed.log_mass,
            "narrowing": self.narrowed.narrowing,
            "of_strings": self.narrowed.of_strings,
            "entropy_p": _known(self.p.law.entropy),
            "entropy_s": _known(self.s.law.entropy),
            "latent_entropy_p": _known(self.p.law.latent_entropy),
            "expected_length_p": _known(self.p.law.expected_length),
            "notes": dict(self.notes),
        }


def _known(number: Any) -> float | None:
    """An exact number of a law; None if the law cannot give it."""
    try:
        return float(number())
    except UnavailableError:
        return None


def alive(rows: np.ndarray) -> np.ndarray:
    """Whether a token of a row carries probability: up to and including the first end. bool[N, L]."""
    ended = np.cumsum(rows == EOS, axis=1) - (rows == EOS)
    return np.asarray(ended == 0)
