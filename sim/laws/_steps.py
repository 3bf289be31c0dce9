"""A hidden automaton by tokens: the matrix of each, and lists of its arcs."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from sim.languages.hidden import HiddenAutomaton
from sim.laws._arcs import Arcs
from sim.numerics import EOS

SPARSE = 10
"""The matrix of a token is sparse if fewer than one in so many of its entries is positive."""

Own: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""The arcs of a token: their sources, targets, log-probabilities [nat], and numbers among all parts."""


@dataclass(frozen=True, eq=False)
class Steps:
    """A hidden automaton as one matrix and one list of arcs for every token."""

    machine: HiddenAutomaton
    arcs: Arcs

    @cached_property
    def matrices(self) -> list[np.ndarray | sp.csr_array]:
        """p(s, a, t) of every token a: dense or sparse [S, S]."""
        found = list[np.ndarray | sp.csr_array]()
        for own in self.machine.transitions:
            few = np.count_nonzero(own) * SPARSE < own.size
            found.append(sp.csr_array(own) if few else np.ascontiguousarray(own))
        return found

    @cached_property
    def padded(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Sources, targets and probabilities of the arcs of every token: [V, K] each, filled up with probability 0.

        None if there are so many arcs that a product with a matrix is faster.
        """
        most, S = max(len(own[0]) for own in self.own), len(self.machine.stopping)
        if most * SPARSE >= S * S:
            return None
        found = np.zeros((2, len(self.own), most), np.int64), np.zeros((len(self.own), most))
        for token, (source, target, log_p, _) in enumerate(self.own):
            found[0][:, token, : len(source)] = source, target
            found[1][token, : len(source)] = np.exp(log_p)
        return found[0][0], found[0][1], found[1]

    @cached_property
    def emits(self) -> np.ndarray:
        """P(next token | state), the stop in column 0: float64[S, V]."""
        found: np.ndarray = self.machine.transitions.sum(axis=2).T
        found[:, EOS] = self.machine.stopping
        return found

    @cached_property
    def least(self) -> float:
        """The smallest positive probability of an arc or of a stop."""
        return float(np.exp(self.arcs.log_p[self.arcs.source >= 0].min()))

    @cached_property
    def own(self) -> list[Own]:
        """The arcs of every token, in the order of their numbers."""
        arcs = self.arcs
        numbers = [np.flatnonzero((arcs.token == token) & (token != EOS)) for token in range(len(self.matrices))]
        return [(arcs.source[own], arcs.target[own], arcs.log_p[own], own) for own in numbers]
