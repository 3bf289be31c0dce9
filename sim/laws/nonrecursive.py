"""The law of a context-free grammar without recursion, such as the level-wise grammars cfg3."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from sim.languages.pcfg.language import ContextFree
from sim.laws._drawing import Drawing
from sim.laws._given import OfGrammar
from sim.laws._order import Order
from sim.laws._spans import Spans
from sim.laws.protocol import Batch, Uses, lengths_of, tokens_of
from sim.numerics import EOS

CHUNK = 1 << 16
"""Number of tokens that are parsed as one graph, if there are several strings. More gain nothing, and take memory."""

MOST_SYMBOLS = 1 << 26
"""Largest number of symbols that are drawn at once."""


@dataclass(frozen=True, eq=False)
class NonRecursive(OfGrammar):
    """The law of a grammar in which no non-terminal occurs in what it derives; a `sim.laws.protocol.Law`.

    Right-hand sides may have any length, mix tokens and non-terminals, and be shared; strings may have several
    derivations, which are summed. Prefixes, next tokens and parses of a whole batch take one pass of sparse products
    over all strings. The numbers are exact up to rounding: no term is negative, and the type of the floats is proved to
    be wide enough for every string. Raises `SpecificationError` if the grammar has recursion, and `UnavailableError`
    for strings so unlikely that no float is wide enough.
    """

    language: ContextFree

    def __post_init__(self) -> None:
        self.order  # noqa: B018, it refuses recursion before anything is computed

    @cached_property
    def order(self) -> Order:
        """The grammar, sorted from below."""
        return Order(self.language)

    @cached_property
    def _drawing(self) -> Drawing:
        return Drawing(self.order)

    def sample(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Draw `number` independent strings: int32[number, T], each with at least one EOS at its end."""
        return self._drawing.strings(rng, number)

    def chunks(self, batch: Batch, size: int = CHUNK, horizon: int = 0) -> Iterator[tuple[slice, Spans]]:
        """The batch in parts of about `size` tokens: the rows of each, and its spans."""
        tokens = tokens_of(batch, len(self.vocabulary))
        part = np.cumsum(lengths_of(tokens) + 1) // size
        edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(tokens)]
        for begin, end in pairwise(edges):
            if end > begin:
                yield slice(begin, end), Spans(self.order, tokens[begin:end], horizon)

    def log_prob(self, batch: Batch) -> np.ndarray:
        """log P(x) [nat] of every string, its end included: float64[N]; -inf outside the support."""
        found = [spans.logs(spans.ends[spans.last], spans.lengths) for _, spans in self.chunks(batch)]
        return np.concatenate(found) if found else np.zeros(0)

    def prefix_log_prob(self, batch: Batch) -> np.ndarray:
        """log P(a string begins with the first t tokens of the row) [nat], for t = 0 ... T: float64[N, T + 1].

        The probability of a prefix is the sum over all tokens that may follow it.
        """
        found = []
        for _, spans in self.chunks(batch):
            log_p = np.empty((len(spans.tokens), spans.tokens.shape[1] + 1))
            log_p[:] = spans.logs(spans.ends[spans.last], spans.lengths)[:, None]
            inside = np.arange(log_p.shape[1]) <= spans.lengths[:, None]
            log_p[inside] = spans.logs(spans.forward.sum(axis=0), spans.place)
            found.append(log_p)
        return np.concatenate(found) if found else np.zeros((0, tokens_of(batch, 1).shape[1] + 1))

    def next_token(self, batch: Batch) -> np.ndarray:
        """P(next token | the first t tokens of the row), EOS first, for t = 0 ... T: float64[N, T + 1, V].

        Rows after an impossible prefix are 0. After the end of a possible string, the next token is EOS.
        """
        found = []
        for _, spans in self.chunks(batch):
            weights = spans.forward
            total = weights.sum(axis=0)
            law = np.zeros((len(spans.tokens), spans.tokens.shape[1] + 1, len(weights)))
            law[:, :, EOS] = (spans.ends[spans.last] > 0)[:, None]
            inside = np.arange(law.shape[1]) <= spans.lengths[:, None]
            law[inside] = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0).T
            found.append(law)
        V = len(self.vocabulary)
        return np.concatenate(found) if found else np.zeros((0, tokens_of(batch, 1).shape[1] + 1, V))

    def parse(self, batch: Batch) -> Uses:
        """The expected uses of every rule at every span, given the string, in the order of strings and spans."""
        found = []
        for rows, spans in self.chunks(batch):
            one = spans.uses()
            found.append((one.string + rows.start, one.part, one.begin, one.end, one.expected))
        columns = zip(*found, strict=True) if found else [[np.zeros(0, np.int64)]] * 4 + [[np.zeros(0)]]
        return Uses(*(np.concatenate(list(column)) for column in columns))
