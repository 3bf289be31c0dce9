"""The law of a hidden automaton or hidden Markov model: forward and backward vectors of a whole batch at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.exact import unavailable
from sim.languages.hidden import HiddenAutomaton
from sim.laws._forward import Logs, Passes, Scaled
from sim.laws._portions import ByPortions, portions
from sim.laws._steps import Steps
from sim.laws.machine import MachineLaw
from sim.laws.protocol import Batch, Uses, lengths_of, tokens_of

CHUNK = 1 << 21
"""Number of entries of the vectors that are kept at once, strings times positions times states."""

MOST_ENTRIES = 1 << 27
"""Largest number of such entries for one string: a gigabyte, and several times that for a parse."""

MOST_USES = 1 << 24
"""Largest number of entries of a parse, of which each takes 40 bytes."""


@dataclass(frozen=True, eq=False)
class HiddenLaw(MachineLaw, ByPortions):
    """The law of a hidden automaton, a `sim.laws.protocol.Law`: one product with an [S, S] matrix for each token.

    The vectors are divided by their sums at every step. A string for which a vector might leave the range of floats is
    passed with logs instead, which is slower; so no state is lost. Numbers are exact up to rounding, but `parse` leaves
    out what has a probability below 1e-308 given the string. Besides the protocol there are `beliefs` and `states`.
    """

    language: HiddenAutomaton

    @cached_property
    def _steps(self) -> Steps:
        return Steps(self.language, self.arcs)

    def _portions(self, tokens: np.ndarray) -> Iterator[tuple[np.ndarray, Passes]]:
        lengths, S = lengths_of(tokens), len(self._steps.emits)
        if len(lengths) and (lengths.max() + 1) * S > MOST_ENTRIES:
            why = f"{lengths.max():,} tokens and {S:,} states need more than {MOST_ENTRIES:,} numbers"
            raise unavailable("law", why, "give shorter strings, or describe fewer states")
        for rows in portions((lengths + 1) * S, CHUNK):
            width = int(lengths[rows[-1]])
            scaled = Scaled(self._steps, tokens[rows, :width])
            if scaled.sure.all():
                yield rows, scaled
            else:
                for kind, own in ((Scaled, rows[scaled.sure]), (Logs, rows[~scaled.sure])):
                    yield own, kind(self._steps, tokens[own, :width])

    def beliefs(self, batch: Batch) -> np.ndarray:
        """P(state | the first t tokens of the row), for t = 0 ... T: float64[N, T + 1, S]; the forward vectors.

        Rows after an impossible prefix, and after the end, are 0.
        """
        return self._of_states(batch, lambda passes: passes.beliefs)

    def states(self, batch: Batch) -> np.ndarray:
        """P(state after t tokens | the whole string), for t = 0 ... T: float64[N, T + 1, S]; forward times backward.

        Rows of strings outside the support, and rows after the end, are 0.
        """
        return self._of_states(batch, Passes.states, whole=True)

    def _of_states(self, batch: Batch, wanted: Callable[[Passes], np.ndarray], whole: bool = False) -> np.ndarray:
        tokens = tokens_of(batch, len(self.vocabulary))
        found = np.zeros((len(tokens), tokens.shape[1] + 1, len(self._steps.emits)))
        for rows, passes in self._portions(tokens):
            if whole:
                rows, passes = _possible(rows, passes)
            found[rows, : passes.tokens.shape[1] + 1] = np.swapaxes(wanted(passes), 0, 1)
        return found

    def parse(self, batch: Batch) -> Uses:
        """P(start, arc or stop at each step | string), forward times backward, in the order of strings and steps.

        A machine of S states has up to S^2 arcs for a token. Raises `UnavailableError` for more than 2^24 pairs of a
        token of the batch and an arc.
        """
        tokens = tokens_of(batch, len(self.vocabulary))
        pairs = int(np.array([len(own[0]) for own in self._steps.own])[tokens].sum())
        if pairs > MOST_USES:
            why = f"at most {MOST_USES:,} pairs of a token and an arc that may emit it can be listed, found {pairs:,}"
            raise unavailable("parse", why, "give fewer strings, or take `states`")
        found = [part for rows, passes in self._portions(tokens) for part in self._uses(*_possible(rows, passes))]
        columns = zip(*found, strict=True) if found else [[np.zeros(0, np.int64)]] * 4 + [[np.zeros(0)]]
        joined = [np.concatenate(list(column)) for column in columns]
        kept = np.flatnonzero(joined[-1] > 0)
        order = kept[np.argsort(joined[0][kept], kind="stable")]  # within a string, the steps are in order
        return Uses(*(column[order] for column in joined))

    def _uses(self, rows: np.ndarray, passes: Passes) -> Iterator[tuple[np.ndarray, ...]]:
        """The columns of `Uses`, from the starts over the arcs to the stops."""
        arcs, count = self.arcs, len(rows)
        starts = np.arange(arcs.edges[1])
        none = np.zeros(count * len(starts), np.int64)
        first = (passes.log_beliefs[0] + passes.log_ratios[0])[:, arcs.target[starts]]
        yield np.repeat(rows, len(starts)), np.tile(starts, count), none, none, np.exp(first).ravel()
        for row, arc, t, expected in passes.uses():
            yield rows[row], arc, np.full(len(row), t), np.full(len(row), t + 1), expected
        stops = np.flatnonzero(arcs.target < 0)
        last = (passes.lengths, np.arange(count))
        final = (passes.log_beliefs[last] + passes.log_ratios[last])[:, arcs.source[stops]]
        place = np.repeat(passes.lengths, len(stops))
        yield np.repeat(rows, len(stops)), np.tile(stops, count), place, place, np.exp(final).ravel()

    def latent_entropy(self) -> float:
        """Entropy of the paths of states and symbols [nat], exact. It is H(P) if every string has one path."""
        return self.language.path_entropy()


def _possible(rows: np.ndarray, passes: Passes) -> tuple[np.ndarray, Passes]:
    """The strings of positive probability alone."""
    possible = passes.log_whole > -np.inf
    return (rows, passes) if possible.all() else (rows[possible], type(passes)(passes.steps, passes.tokens[possible]))
