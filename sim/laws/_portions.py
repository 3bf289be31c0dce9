"""A batch in portions of strings of about the same length, and the laws that are put together from them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from sim.languages.vocabulary import Vocabulary
from sim.laws.protocol import Batch, lengths_of, tokens_of
from sim.numerics import EOS


def portions(costs: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """The rows of a batch, the cheap ones first, so that the rows of a portion cost at most `most` together.

    Every row of a portion costs as much as its dearest one, because they are filled up to one length. A row that costs
    more than `most` is a portion of its own.
    """
    order, begin = np.argsort(costs, kind="stable"), 0
    while begin < len(order):
        together = (np.arange(len(order) - begin) + 1) * costs[order[begin:]]
        end = begin + max(1, int(np.searchsorted(together, most, side="right")))
        yield order[begin:end]
        begin = end


class Portion(Protocol):
    """What is computed of n strings, T tokens in the longest."""

    @property
    def lengths(self) -> np.ndarray:
        """|x| of every string: int[n]."""
        ...

    @property
    def log_p(self) -> np.ndarray:
        """log P(first t tokens) [nat]: float64[n, T + 1]; of no meaning behind the end."""
        ...

    @property
    def log_whole(self) -> np.ndarray:
        """log P(x) [nat]: float64[n]."""
        ...

    @property
    def laws(self) -> np.ndarray:
        """P(next token | first t tokens), EOS first: floating[n, T + 1, V]; 0 where that is impossible."""
        ...


class ByPortions(ABC):
    """A law that computes a portion of a batch at a time."""

    @property
    @abstractmethod
    def vocabulary(self) -> Vocabulary:
        """The tokens, EOS first."""

    @abstractmethod
    def _portions(self, tokens: np.ndarray) -> Iterator[tuple[np.ndarray, Portion]]:
        """The batch int[N, T] in portions: their rows, and what is computed of them."""

    def log_prob(self, batch: Batch) -> np.ndarray:
        """log P(x) [nat] of every string, its end included: float64[N]; -inf outside the support."""
        tokens = tokens_of(batch, len(self.vocabulary))
        found = np.zeros(len(tokens))
        for rows, one in self._portions(tokens):
            found[rows] = one.log_whole
        return found

    def prefix_log_prob(self, batch: Batch) -> np.ndarray:
        """log P(a string begins with the first t tokens of the row) [nat], for t = 0 ... T: float64[N, T + 1]."""
        tokens = tokens_of(batch, len(self.vocabulary))
        found = np.zeros((len(tokens), tokens.shape[1] + 1))
        for rows, one in self._portions(tokens):
            width = one.log_p.shape[1]
            own = np.repeat(one.log_whole[:, None], found.shape[1], axis=1)
            inside = np.arange(width) <= one.lengths[:, None]
            own[:, :width][inside] = one.log_p[inside]
            found[rows] = own
        return found

    def next_token(self, batch: Batch) -> np.ndarray:
        """P(next token | the first t tokens of the row), EOS first, for t = 0 ... T: float64[N, T + 1, V].

        Rows after an impossible prefix are 0. After the end of a possible string, the next token is EOS.
        """
        tokens = tokens_of(batch, len(self.vocabulary))
        law = np.zeros((len(tokens), tokens.shape[1] + 1, len(self.vocabulary)))
        ended = np.arange(law.shape[1]) > lengths_of(tokens)[:, None]
        for rows, one in self._portions(tokens):
            law[rows, : one.laws.shape[1]] = one.laws
            law[rows[one.log_whole > -np.inf], :, EOS] += ended[rows[one.log_whole > -np.inf]]
        return law
