"""Forward and backward passes of a hidden automaton over a batch of strings: with scaled vectors, or with logs.

A forward vector is P(state | first t tokens): one product with the matrix of the token per step, divided by its sum.
A backward vector holds P(rest | state) / P(rest | first t tokens), so the product of the two is P(state | string).
Source: Baum et al. 1970, Annals of Mathematical Statistics 41(1); Rabiner 1989, Proc. IEEE 77(2), for the scaling.

A scaled vector loses a state whose share is below the range of floats, and a later token may need that state. So every
string has a certificate (`Scaled.sure`). Strings without it are passed with logs.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.absorbing import SMALLEST
from sim.laws._steps import Steps
from sim.laws.protocol import lengths_of
from sim.numerics import EOS

BLOCK = 1 << 21
"""Number of arcs times strings whose logs are added at once."""


@dataclass(frozen=True, eq=False)
class Passes(ABC):
    """The passes over some strings. n strings, T tokens in the longest, S states; t = 0 ... T."""

    steps: Steps
    tokens: np.ndarray  # int[n, T], filled up with EOS

    @cached_property
    def lengths(self) -> np.ndarray:
        """|x| of every string: int[n]."""
        return lengths_of(self.tokens)

    @property
    @abstractmethod
    def beliefs(self) -> np.ndarray:
        """P(state | first t tokens): float64[T + 1, n, S]; 0 where they are impossible, and behind the end."""

    @property
    @abstractmethod
    def log_beliefs(self) -> np.ndarray:
        """The logs of the beliefs [nat], without underflow: float64[T + 1, n, S]."""

    @property
    @abstractmethod
    def log_steps(self) -> np.ndarray:
        """log P(token t + 1 | first t tokens) [nat]: float64[n, T]; -inf behind an impossible one, 0 behind the end."""

    @property
    @abstractmethod
    def log_ends(self) -> np.ndarray:
        """log P(stop | all tokens) [nat]: float64[n]; -inf where that is impossible."""

    @property
    @abstractmethod
    def log_ratios(self) -> np.ndarray:
        """log P(rest | state) - log P(rest | first t tokens) [nat]: float64[T + 1, n, S]; -inf where that is useless.

        The rest is all that follows in the string, with its end. Strings must be possible.
        """

    @cached_property
    def log_p(self) -> np.ndarray:
        """log P(first t tokens) [nat]: float64[n, T + 1]; -inf where they are impossible."""
        return np.cumsum(np.pad(self.log_steps, ((0, 0), (1, 0))), axis=1)

    @cached_property
    def log_whole(self) -> np.ndarray:
        """log P(x) [nat]: float64[n]."""
        return self.log_p[np.arange(len(self.tokens)), self.lengths] + self.log_ends

    @cached_property
    def laws(self) -> np.ndarray:
        """P(next token | first t tokens), EOS first: float64[n, T + 1, V]; 0 if impossible, and behind the end."""
        return np.swapaxes(self.beliefs @ self.steps.emits, 0, 1)

    def _groups(self, t: int) -> Iterator[tuple[int, np.ndarray]]:
        """The tokens that occur at position t, and the strings that have each."""
        for token in np.unique(self.tokens[:, t]).tolist():
            if token != EOS:
                yield token, np.flatnonzero(self.tokens[:, t] == token)

    def states(self) -> np.ndarray:
        """P(state after t tokens | string): float64[T + 1, n, S]; 0 behind the end."""
        return np.exp(self.log_beliefs + self.log_ratios)

    def uses(self) -> Iterator[tuple[np.ndarray, np.ndarray, int, np.ndarray]]:
        """Step by step: strings, numbers of arcs, t, and P(arc at step t | string); strings must be possible."""
        for t in range(self.tokens.shape[1]):
            before, after = self.log_beliefs[t], self.log_ratios[t + 1]
            for token, rows in self._groups(t):
                source, target, log_p, number = self.steps.own[token]
                logs = before[rows][:, source] + log_p + after[rows][:, target] - self.log_steps[rows, t, None]
                row, arc = np.nonzero(logs > -np.inf)
                yield rows[row], number[arc], t, np.exp(logs[row, arc])


class Scaled(Passes):
    """Passes with vectors that are divided by their sums, as products of matrices."""

    @cached_property
    def _forward(self) -> tuple[np.ndarray, np.ndarray]:
        (n, T), initial = self.tokens.shape, self.steps.machine.initial
        beliefs, log_steps = np.zeros((T + 1, n, len(initial))), np.zeros((n, T))
        beliefs[0] = initial
        for t in range(T):
            after = self._moved(beliefs[t], t)
            total = after.sum(axis=1, keepdims=True)
            beliefs[t + 1] = np.divide(after, total, out=np.zeros_like(after), where=total > 0)
            log_steps[:, t] = np.where(self.tokens[:, t] == EOS, 0.0, _log(total[:, 0]))
        return beliefs, log_steps

    def _moved(self, before: np.ndarray, t: int) -> np.ndarray:
        """The sums over the states before of P(state) P(token t, next state | state): float64[n, S]; 0 for the end."""
        if self.steps.padded is None:
            after = np.zeros_like(before)
            for token, rows in self._groups(t):
                after[rows] = before[rows] @ self.steps.matrices[token]
            return after
        (n, S), tokens = before.shape, self.tokens[:, t]
        source, target, p = (values[tokens] for values in self.steps.padded)
        first = np.arange(n)[:, None]
        sums = np.bincount((first * S + target).ravel(), (before[first, source] * p).ravel(), n * S)
        return sums.astype(np.float64, copy=False).reshape(n, S)  # numpy gives int64 for a machine without arcs

    @property
    def beliefs(self) -> np.ndarray:
        """P(state | first t tokens): float64[T + 1, n, S]."""
        return self._forward[0]

    @property
    def log_steps(self) -> np.ndarray:
        """log P(token t + 1 | first t tokens) [nat]: float64[n, T]."""
        return self._forward[1]

    @cached_property
    def sure(self) -> np.ndarray:
        """Whether nothing can have underflowed in the forward pass of each string: bool[n].

        If every positive share times the least probability is a normal float, no product of the next step is lost; so
        by induction the zeros are true ones.
        """
        lowest = np.where(self.beliefs > 0, self.beliefs, 1.0).min(axis=(0, 2))
        return np.asarray(lowest * self.steps.least >= SMALLEST)

    @cached_property
    def log_beliefs(self) -> np.ndarray:
        """The logs of the beliefs [nat]: float64[T + 1, n, S]."""
        return _log(self.beliefs)

    @cached_property
    def log_ends(self) -> np.ndarray:
        """log P(stop | all tokens) [nat]: float64[n]."""
        last = self.beliefs[self.lengths, np.arange(len(self.tokens))]
        return _log(last @ self.steps.machine.stopping)

    @cached_property
    def log_ratios(self) -> np.ndarray:
        """log P(rest | state) - log P(rest | first t tokens) [nat]: float64[T + 1, n, S].

        States without a share are set to 0, so a ratio is at most 1 / share and cannot overflow. One that underflows
        belongs to a state of a probability below 1e-308 given the string.
        """
        found, last = np.zeros_like(self.beliefs), (self.lengths, np.arange(len(self.tokens)))
        ends = self.steps.machine.stopping / np.exp(self.log_ends)[:, None]
        found[last] = np.where(self.beliefs[last] > 0, ends, 0.0)
        for t in reversed(range(self.tokens.shape[1])):
            for token, rows in self._groups(t):
                ahead = found[t + 1, rows] @ self.steps.matrices[token].T
                stepped = np.exp(self.log_steps[rows, t, None])
                shared = self.beliefs[t, rows] > 0
                found[t, rows] = np.divide(ahead, stepped, out=np.zeros_like(ahead), where=shared)
        return _log(found)


class Logs(Passes):
    """Passes with logs of all shares: nothing underflows, and every arc takes an exponential."""

    @cached_property
    def _forward(self) -> tuple[np.ndarray, np.ndarray]:
        (n, T), initial = self.tokens.shape, self.steps.machine.initial
        logs, log_steps = np.full((T + 1, n, len(initial)), -np.inf), np.zeros((n, T))
        logs[0] = _log(initial)
        for t in range(T):
            for token, rows in self._groups(t):
                source, target, log_arc, _ = self.steps.own[token]
                after = _summed(logs[t, rows], source, target, log_arc)
                total = np.logaddexp.reduce(after, axis=1)
                logs[t + 1, rows] = after - np.where(total > -np.inf, total, 0.0)[:, None]
                log_steps[rows, t] = total
        return logs, log_steps

    @cached_property
    def beliefs(self) -> np.ndarray:
        """P(state | first t tokens): float64[T + 1, n, S]; shares below 1e-308 become 0 here, and only here."""
        return np.exp(self.log_beliefs)

    @property
    def log_beliefs(self) -> np.ndarray:
        """The logs of the beliefs [nat]: float64[T + 1, n, S]."""
        return self._forward[0]

    @property
    def log_steps(self) -> np.ndarray:
        """log P(token t + 1 | first t tokens) [nat]: float64[n, T]."""
        return self._forward[1]

    @cached_property
    def log_ends(self) -> np.ndarray:
        """log P(stop | all tokens) [nat]: float64[n]."""
        last = self.log_beliefs[self.lengths, np.arange(len(self.tokens))]
        return np.logaddexp.reduce(last + _log(self.steps.machine.stopping), axis=1)

    @cached_property
    def log_ratios(self) -> np.ndarray:
        """log P(rest | state) - log P(rest | first t tokens) [nat]: float64[T + 1, n, S]."""
        found = np.full_like(self.log_beliefs, -np.inf)
        found[self.lengths, np.arange(len(self.tokens))] = _log(self.steps.machine.stopping) - self.log_ends[:, None]
        for t in reversed(range(self.tokens.shape[1])):
            for token, rows in self._groups(t):
                source, target, log_arc, _ = self.steps.own[token]
                ahead = _summed(found[t + 1, rows], target, source, log_arc)
                found[t, rows] = ahead - self.log_steps[rows, t, None]
        return found


def _log(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values))


def _summed(logs: np.ndarray, source: np.ndarray, target: np.ndarray, log_arc: np.ndarray) -> np.ndarray:
    """log of the sum over the arcs to each target of e^(logs of their source + log_arc): float64[n, S]."""
    found = np.full_like(logs, -np.inf)
    if not len(source):
        return found
    order = np.argsort(target, kind="stable")
    reached, begin = np.unique(target[order], return_index=True)
    rows = max(1, BLOCK // len(source))
    for at in range(0, len(logs), rows):
        terms = logs[at : at + rows][:, source[order]] + log_arc[order]
        found[at : at + rows, reached] = np.logaddexp.reduceat(terms, begin, axis=1)
    return found
