"""The law of a hidden automaton or hidden Markov model: forward and backward vectors of a whole batch at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.exact import unavailable
from sim.languages.hidden import HiddenAutomaton
from sim.laws._forward import Logs, Passes, Scaled, Steps
from sim.laws.machine import MachineLaw
from sim.laws.protocol import Batch, Uses, lengths_of, tokens_of
from sim.numerics import EOS

CHUNK = 1 << 21
"""Number of entries of the vectors that are kept at once, strings times positions times states."""

MOST_ENTRIES = 1 << 27
"""Largest number of such entries for one string: a gigabyte, and several times that for a parse."""

MOST_USES = 1 << 24
"""Largest number of entries of a parse, of which each takes 40 bytes."""


@dataclass(frozen=True, eq=False)
class HiddenLaw(MachineLaw):
    """The law of a hidden automaton, a `sim.laws.protocol.Law`: one product with an [S, S] matrix for each token.

    The vectors are divided by their sums at every step. A string for which a vector might leave the range of floats is
    passed with logs instead, which is slower; so no state is lost. Numbers are exact up to rounding, but `parse` leaves
    out what has a probability below 1e-308 given the string. Besides the protocol there are `beliefs` and `states`.
    """

    language: HiddenAutomaton

    @cached_property
    def _steps(self) -> Steps:
        return Steps(self.language, self.arcs)

    def _passes(self, tokens: np.ndarray) -> Iterator[tuple[np.ndarray, Passes]]:
        """The batch int[N, T] in parts of strings of about the same length: their rows, and the passes over them."""
        lengths, S, begin = lengths_of(tokens), len(self._steps.emits), 0
        order = np.argsort(lengths, kind="stable")
        while begin < len(order):
            # a part has as many strings as fit, each with as many positions as the last one, which is the longest
            entries = (np.arange(len(order) - begin) + 1) * (lengths[order[begin:]] + 1) * S
            rows = order[begin : begin + max(1, int(np.searchsorted(entries, CHUNK, side="right")))]
            width = int(lengths[rows[-1]])
            if (width + 1) * S > MOST_ENTRIES:
                why = f"{width:,} tokens and {S:,} states need more than {MOST_ENTRIES:,} numbers"
                raise unavailable("law", why, "give shorter strings, or describe fewer states")
            scaled = Scaled(self._steps, tokens[rows, :width])
            if scaled.sure.all():
                yield rows, scaled
            else:
                for kind, own in ((Scaled, rows[scaled.sure]), (Logs, rows[~scaled.sure])):
                    yield own, kind(self._steps, tokens[own, :width])
            begin += len(rows)

    def log_prob(self, batch: Batch) -> np.ndarray:
        """log P(x) [nat] of every string, its end included: float64[N]; -inf outside the support."""
        tokens = tokens_of(batch, len(self.vocabulary))
        found = np.zeros(len(tokens))
        for rows, passes in self._passes(tokens):
            found[rows] = passes.log_whole
        return found

    def prefix_log_prob(self, batch: Batch) -> np.ndarray:
        """log P(a string begins with the first t tokens of the row) [nat], for t = 0 ... T: float64[N, T + 1]."""
        tokens = tokens_of(batch, len(self.vocabulary))
        found = np.zeros((len(tokens), tokens.shape[1] + 1))
        for rows, passes in self._passes(tokens):
            width = passes.tokens.shape[1] + 1
            own = np.repeat(passes.log_whole[:, None], found.shape[1], axis=1)
            inside = np.arange(width) <= passes.lengths[:, None]
            own[:, :width][inside] = passes.log_p[inside]
            found[rows] = own
        return found

    def next_token(self, batch: Batch) -> np.ndarray:
        """P(next token | the first t tokens of the row), EOS first, for t = 0 ... T: float64[N, T + 1, V].

        Rows after an impossible prefix are 0. After the end of a possible string, the next token is EOS.
        """
        tokens = tokens_of(batch, len(self.vocabulary))
        law = np.zeros((len(tokens), tokens.shape[1] + 1, len(self.vocabulary)))
        for rows, passes in self._passes(tokens):
            width = passes.tokens.shape[1] + 1
            ended = np.arange(law.shape[1]) > passes.lengths[:, None]
            own = np.zeros((len(rows), *law.shape[1:]))
            own[:, :width] = np.swapaxes(passes.beliefs @ self._steps.emits, 0, 1)
            own[ended & (passes.log_whole > -np.inf)[:, None], EOS] = 1.0
            law[rows] = own
        return law

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
        for rows, passes in self._passes(tokens):
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
        found = [part for rows, passes in self._passes(tokens) for part in self._uses(*_possible(rows, passes))]
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
