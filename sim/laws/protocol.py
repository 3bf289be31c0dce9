"""The protocol of laws, and what goes in and comes out: batches of strings, and the uses of rules or arcs in them.

A *law* computes for a batch of N strings at a time what an `ExactLanguage` computes for one: probabilities of strings
and prefixes, next-token laws, and where each rule (or arc of a machine) was used. All of it is exact up to rounding,
in float64. A law that has the distribution of an exact language keeps it in a field `language`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError

Batch: TypeAlias = np.ndarray | Sequence[Sequence[int] | np.ndarray]
"""N strings: int[N, T], filled up with EOS = 0 at the end of each row; or a list of sequences of tokens."""


@dataclass(frozen=True, eq=False)
class Uses:
    """Where the parts of a law were used, K entries in the order of `string`: E[uses of a part at a span | string].

    A *part* is a rule of a grammar, or an arc of a machine (a transition with what it emits, or a stop); `Law.parts`
    names them. A rule at the span (begin, end) derives the tokens from begin to end - 1. An arc at step t has begin = t
    and end = t + 1; a stop has begin = end. Entries of expectation 0 are left out. A string of probability 0 has none.
    The expectation is a probability unless a part can be used twice at one span, as an empty rule can.
    """

    string: np.ndarray  # int[K], the row of the batch
    part: np.ndarray  # int[K], the number of the rule or arc
    begin: np.ndarray  # int[K]
    end: np.ndarray  # int[K]
    expected: np.ndarray  # float64[K], the expected number of uses, given the string

    def counts(self, num_strings: int, num_parts: int) -> np.ndarray:
        """E[number of uses of every part | string], over all places: float64[num_strings, num_parts]."""
        where = self.string * num_parts + self.part
        sums = np.bincount(where, self.expected, num_strings * num_parts)
        return sums.astype(np.float64, copy=False).reshape(num_strings, num_parts)  # numpy gives int64 for no uses


@runtime_checkable
class Law(Protocol):
    """A distribution P over strings, for whole batches. V tokens, EOS = 0 among them; T tokens in the longest row.

    A row of a batch is x_1 ... x_n and then zeros. Read as tokens, it is the string with its end, and the zeros behind
    the first one carry no information. So a prefix that holds the end is the whole string: from position n + 1 on, its
    probability is P(x), and the next token is EOS with probability 1. A row without a zero is a prefix for
    `prefix_log_prob` and `next_token`, and the whole string for `log_prob` and `parse`.

    Strings that P lacks are no error: `log_prob` is -inf. Laws of prefixes are defined up to the first token that
    makes the prefix impossible; behind it `prefix_log_prob` is -inf and the rows of `next_token` are 0 (they sum to 0,
    not to 1). Tokens outside the vocabulary are an error.
    """

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens, EOS first."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """The rules or arcs, as messages show them; `Uses.part` are positions in this list."""
        ...

    def sample(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Draw `number` independent strings: int32[number, T], each with at least one EOS at its end."""
        ...

    def log_prob(self, batch: Batch) -> np.ndarray:
        """log P(x) [nat] of every string, its end included: float64[N]; -inf outside the support."""
        ...

    def prefix_log_prob(self, batch: Batch) -> np.ndarray:
        """log P(a string begins with the first t tokens of the row) [nat], for t = 0 ... T: float64[N, T + 1]."""
        ...

    def next_token(self, batch: Batch) -> np.ndarray:
        """P(next token | the first t tokens of the row), EOS first, for t = 0 ... T: float64[N, T + 1, V]."""
        ...

    def parse(self, batch: Batch) -> Uses:
        """The expected uses of every rule or arc at every span or step, given the string (inside times outside)."""
        ...

    def entropy(self) -> float:
        """H(P) [nat per string], exact; raises `UnavailableError` where only the `latent_entropy` is known."""
        ...

    def latent_entropy(self) -> float:
        """Entropy of derivations or paths [nat], exact. It is H(P) if every string has one, else it is larger."""
        ...

    def expected_length(self) -> float:
        """E|x| [symbols], EOS not counted, exact; math.inf if it is infinite."""
        ...


def tokens_of(batch: Batch, num_tokens: int) -> np.ndarray:
    """A batch as int64[N, T], filled up with EOS = 0; T is that of the array, or of the longest of a list.

    Raises `SpecificationError` if it is no batch of integers, if a token is outside 0 ... `num_tokens` - 1, or if
    anything but EOS follows the first EOS of a row.
    """
    if not isinstance(batch, np.ndarray):
        rows = [np.asarray(row) for row in batch]
        if any(row.ndim != 1 for row in rows):
            raise SpecificationError("batch: a list of sequences of tokens is required, found one that is not flat")
        batch = np.zeros((len(rows), max(map(len, rows), default=0)), np.int64)
        for row, one in zip(batch, rows, strict=True):
            if len(one) and not np.issubdtype(one.dtype, np.integer):
                raise SpecificationError(f"batch: integers are required, found {one.dtype}; encode the strings first")
            row[: len(one)] = one
    if batch.ndim != 2 or not np.issubdtype(batch.dtype, np.integer):
        raise SpecificationError(
            f"batch: integers of shape [N, T] are required, found {batch.dtype} of shape {batch.shape}; "
            "give an array or a list of sequences of tokens"
        )
    outside = (batch < 0) | (batch >= num_tokens)
    if outside.any():
        row, at = np.argwhere(outside)[0]
        raise SpecificationError(
            f"batch: tokens from 0 (the end, and the padding) to {num_tokens - 1} are required, found "
            f"{batch[row, at]} in row {row}, position {at}; map other tokens and other padding first"
        )
    ended = np.cumsum(batch == EOS, axis=1) > 0
    if (ended & (batch != EOS)).any():
        row, at = np.argwhere(ended & (batch != EOS))[0]
        raise SpecificationError(
            f"batch: only 0 may follow the first 0, which ends a string, found {batch[row, at]} in row {row}, "
            f"position {at}; split the row"
        )
    return batch.astype(np.int64, copy=False)


def lengths_of(tokens: np.ndarray) -> np.ndarray:
    """|x| [symbols] of every row of int[N, T] filled up with EOS: int64[N]; T for a row without EOS."""
    return np.asarray((tokens != EOS).sum(axis=1))
