"""The law of the strings of some lengths: truncated to a horizon, or of one length. Exact, with the dropped mass."""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from sim.languages.exact import unavailable
from sim.languages.pcfg.rules import Symbol
from sim.languages.vocabulary import Vocabulary
from sim.laws._lengths import Lengths
from sim.laws._spans import Spans
from sim.laws.nonrecursive import NonRecursive
from sim.laws.protocol import Batch, Uses, lengths_of, tokens_of
from sim.numerics import EOS, SpecificationError

CHUNK = 1 << 11
"""Number of tokens that are parsed as one graph. Every place where a symbol may begin has a law of what follows."""

FEW = 48
"""A law of a length with at most so many entries is convolved one entry after the other, and else as a matrix."""

RAREST = 1e-4
"""Smallest P(A) for which strings are drawn by rejection."""

Begun = list[tuple[np.ndarray, np.ndarray]]
"""Where a symbol begins, int[K], and the weight of this with r tokens behind it, floating[K, r]. Parts are added."""


@dataclass(frozen=True, eq=False)
class ByLength:
    """P(. | |x| is in A) for a set A of lengths, a `sim.laws.protocol.Law`. `kept` is bool[n], whether n is in A.

    Log-probabilities are those of P less log P(A). A next token needs to know how many tokens may still come, so the
    places where a symbol may begin carry the law of the length of what follows; this takes about fifty times as
    long as without a condition. Strings are drawn by rejection. Made by `within` and `of_length`.
    """

    law: NonRecursive
    kept: np.ndarray

    @cached_property
    def _lengths(self) -> Lengths:
        return Lengths(self.law.order)

    def _sum(self, values: np.ndarray, kept: bool) -> float:
        here = np.zeros(len(values), bool)
        here[: len(self.kept)] = self.kept[: len(values)]
        return float(values[here if kept else ~here].sum())

    @cached_property
    def log_mass(self) -> float:
        """log P(A) [nat], of strings; exact."""
        return math.log(self._sum(self._lengths.law, True))

    @cached_property
    def dropped_mass(self) -> float:
        """1 - P(A), summed over the lengths outside A; exact, however small."""
        return self._sum(self._lengths.law, False)

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens, EOS first."""
        return self.law.vocabulary

    @property
    def parts(self) -> tuple[str, ...]:
        """The rules, as those of the law without the condition."""
        return self.law.parts

    def _inside(self, batch: Batch) -> np.ndarray:
        """Whether every string has a length in A: bool[N]."""
        return self._fits(lengths_of(tokens_of(batch, len(self.vocabulary))))

    def _fits(self, lengths: np.ndarray) -> np.ndarray:
        return (lengths < len(self.kept)) & self.kept[np.minimum(lengths, len(self.kept) - 1)]

    def sample(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Draw `number` independent strings by rejection: int32[number, T]. Raises `UnavailableError` for a rare A."""
        mass = math.exp(self.log_mass)
        if mass < RAREST:
            why = f"strings are drawn until their length fits, and the mass of these lengths is {mass:.1e}"
            raise unavailable("sample", why, f"keep lengths of a mass of at least {RAREST:g}")
        found = np.zeros((0, len(self.kept)), np.int32)
        while len(found) < number:
            drawn = self.law.sample(rng, math.ceil((number - len(found)) / mass))
            drawn = drawn[self._inside(drawn)][:, : len(self.kept)]
            found = np.concatenate([found, np.pad(drawn, ((0, 0), (0, len(self.kept) - drawn.shape[1])))])
        return found[:number, : int(lengths_of(found[:number]).max(initial=0)) + 1]

    def log_prob(self, batch: Batch) -> np.ndarray:
        """log P(x | A) [nat] of every string, its end included: float64[N]; -inf outside A."""
        return np.where(self._inside(batch), self.law.log_prob(batch) - self.log_mass, -np.inf)

    def prefix_log_prob(self, batch: Batch) -> np.ndarray:
        """log P(a string begins with the first t tokens of the row | A) [nat]: float64[N, T + 1]."""
        log_p = np.repeat(self.log_prob(batch)[:, None], tokens_of(batch, len(self.vocabulary)).shape[1] + 1, axis=1)
        for rows, spans in self.law.chunks(batch, CHUNK, len(self.kept) - 1):
            inside = np.arange(log_p.shape[1]) <= spans.lengths[:, None]
            log_p[rows][inside] = spans.logs(self._weights(spans).sum(axis=0), spans.place) - self.log_mass
        return log_p

    def next_token(self, batch: Batch) -> np.ndarray:
        """P(next token | the first t tokens of the row, A), EOS first: float64[N, T + 1, V]; see `Law`."""
        V = len(self.vocabulary)
        tokens = tokens_of(batch, V)
        law = np.zeros((len(tokens), tokens.shape[1] + 1, V))
        for rows, spans in self.law.chunks(batch, CHUNK, len(self.kept) - 1):
            weights = self._weights(spans)
            total = weights.sum(axis=0)
            possible = (spans.ends[spans.last] > 0) & self._inside(spans.tokens)
            law[rows, :, EOS] = possible[:, None]
            inside = np.arange(law.shape[1]) <= spans.lengths[:, None]
            law[rows][inside] = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0).T
        return law

    def _weights(self, spans: Spans) -> np.ndarray:
        """As `Spans.forward`, of strings whose length is in A: floating[V, K]."""
        order, kind = self.law.order, spans.range[1]
        horizon = len(self.kept) - 1
        start = np.zeros((len(spans.first), horizon + 1), kind)
        start[:, 0] = 1
        begun: dict[Symbol, Begun] = defaultdict(list)
        begun[~order.grammar.start].append((spans.first, start))
        found = np.zeros((len(self.vocabulary), spans.size), kind)
        found[EOS] = np.where(self._fits(spans.place), spans.ends, 0)
        for head in reversed(order.bottom_up):
            place, left = _merged(begun.pop(~head))
            for number, rhs in order.rules[head]:
                at, now = place, left * spans.weight[number]
                for position, symbol in enumerate(rhs):
                    after = self._lengths.after(rhs[position + 1 :])[: horizon + 1].astype(kind)
                    if symbol > 0:
                        found[symbol][at] += (now * self._allowed(after, spans.place[at] + 1)).sum(axis=1)
                    else:
                        begun[symbol].append((at, _convolved(now, after)))
                    if position < len(rhs) - 1:
                        at, now = _moved(at, now, spans.products[(symbol,)].full)
        return found

    def _allowed(self, after: np.ndarray, begin: np.ndarray) -> np.ndarray:
        """P(begin + r + length is in A) for a length with the law `after`, for r = 0, 1, ...: floating[K, r]."""
        last = len(self.kept) - 1
        known = np.concatenate([self.kept, np.zeros(int(begin.max(initial=0)) + last + 1, bool)]).astype(after.dtype)
        summed = np.convolve(known, after[::-1])[len(after) - 1 :][: len(known)]
        return np.lib.stride_tricks.sliding_window_view(summed, last + 1)[begin]

    def parse(self, batch: Batch) -> Uses:
        """The expected uses of every rule at every span, given the string; of strings in A."""
        uses = self.law.parse(batch)
        here = self._inside(batch)[uses.string]
        return Uses(*(column[here] for column in vars(uses).values()))

    def entropy(self) -> float:
        """H(P(. | A)) [nat], exact, if the grammar is proved to be unambiguous; else `UnavailableError`."""
        self.law.entropy()
        return self.latent_entropy()

    def latent_entropy(self) -> float:
        """Entropy of the derivations of strings in A [nat]: E[-log p(derivation) | A] + log P(A), exact."""
        return self._sum(self._lengths.surprise, True) / math.exp(self.log_mass) + self.log_mass

    def expected_length(self) -> float:
        """E[|x| | A] [symbols], EOS not counted, exact."""
        law = self._lengths.law
        return self._sum(law * np.arange(len(law)), True) / math.exp(self.log_mass)


def within(law: NonRecursive, length: int) -> ByLength:
    """P(. | |x| <= `length` - 1 symbols), the truncation to a horizon of `length` tokens, the end included.

    Its `dropped_mass` is P(|x| >= `length`). Raises `SpecificationError` if every string is longer.
    """
    return _required(law, np.ones(min(max(length, 0), int(law.language.longest) + 1), bool), f"length {length}")


def of_length(law: NonRecursive, number: int) -> ByLength:
    """P(. | |x| = `number` symbols). Raises `SpecificationError` if no string has so many symbols."""
    kept = np.zeros(max(number, 0) + 1, bool)
    kept[-1] = number >= 0
    return _required(law, kept, f"{number} symbols")


def _required(law: NonRecursive, kept: np.ndarray, found: str) -> ByLength:
    shortest, longest = law.language.shape.least[law.language.start], int(law.language.longest)
    conditioned = ByLength(law, kept)
    if not len(kept) or not conditioned._sum(conditioned._lengths.law, True) > 0:
        raise SpecificationError(
            f"length: strings of the language are required (they have {shortest} to {longest} symbols and an end), "
            f"found none with {found}; choose another"
        )
    return conditioned


def _merged(parts: Begun) -> tuple[np.ndarray, np.ndarray]:
    """The sum of parts that may name the same places."""
    if len(parts) == 1:
        return parts[0]
    place, where = np.unique(np.concatenate([at for at, _ in parts]), return_inverse=True)
    total = np.zeros((len(place), parts[0][1].shape[1]), parts[0][1].dtype)
    begin = 0
    for at, left in parts:
        total[where[begin : begin + len(at)]] += left  # a part names no place twice
        begin += len(at)
    return place, total


def _convolved(left: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Each row convolved with the law of a further length, cut to its own width: floating[K, r]."""
    width, taps = left.shape[1], np.flatnonzero(after)
    if len(taps) > FEW:
        shift = np.arange(width) - np.arange(width)[:, None]
        known = np.concatenate([after, np.zeros(width - len(after), after.dtype)])
        return left @ np.where(shift >= 0, known[np.maximum(shift, 0)], 0)
    total = np.zeros_like(left)
    for tap in taps.tolist():
        total[:, tap:] += after[tap] * left[:, : width - tap]
    return total


def _moved(at: np.ndarray, left: np.ndarray, spans: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """The rows, taken over all spans that begin at their places: the places behind, and the new rows."""
    steps = spans[at].T.tocsr()
    reached = np.flatnonzero(np.diff(steps.indptr))
    return reached, steps[reached] @ left
