"""The answers to one prompt as texts: their n-grams and their overlaps, which all measures on samples are made of."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.finite import FiniteLanguage

ORDERS = (1, 2, 3)
"""Lengths n of the n-grams. Answers are short, so there is no 4 and no 5."""


@dataclass(frozen=True, eq=False)
class Texts:
    """N different answers to one prompt as tuples of tokens, without their end. N is at least 1."""

    answers: tuple[tuple[int, ...], ...]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each answer: int64[N]."""
        return np.array([len(one) for one in self.answers], np.int64)

    def counts(self, order: int) -> np.ndarray:
        """Number of n-grams of each answer: max(length - n + 1, 0), int64[N]."""
        return np.maximum(self.lengths - order + 1, 0)

    @cached_property
    def levels(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """For every order: which answers hold an n-gram at least m times, bool[N, G], and m, int64[G].

        A column is a pair of an n-gram and m = 1, 2, ... as far as some answer has it. So BLEU's clipped matches are
        sums of columns.
        """
        return {order: _levels(self.answers, order) for order in ORDERS}

    def kinds(self, order: int) -> np.ndarray:
        """Which answers hold which n-gram at all: bool[N, K]."""
        held, times = self.levels[order]
        return held[:, times == 1]

    @cached_property
    def overlap(self) -> np.ndarray:
        """Jaccard index of the sets of tokens of two answers, float64[N, N]; 1 for two empty answers.

        Source: P. Jaccard, 1912, "The distribution of the flora in the alpine zone".
        """
        held = self.kinds(1).astype(np.float64)
        both = held @ held.T
        size = held.sum(axis=1)
        either = size[:, None] + size - both
        return np.where(either > 0, both / np.where(either > 0, either, 1.0), 1.0)


def _levels(answers: Sequence[tuple[int, ...]], order: int) -> tuple[np.ndarray, np.ndarray]:
    found = [Counter(one[at : at + order] for at in range(len(one) - order + 1)) for one in answers]
    columns = sorted({(gram, m) for one in found for gram, times in one.items() for m in range(1, times + 1)})
    held = np.array([[one[gram] >= m for gram, m in columns] for one in found], bool)
    return held.reshape(len(answers), len(columns)), np.array([m for _, m in columns], np.int64)


def texts_of(p: FiniteLanguage) -> list[tuple[np.ndarray, Texts]]:
    """Return for every prompt the rows of its answers on the trie, int[N], and the answers."""
    strings, lengths, prompts = p.trie.strings, p.trie.lengths, p.prompts
    found = []
    for prompt in range(prompts.num_groups):
        rows = np.flatnonzero(prompts.group == prompt)
        answers = [tuple(strings[row, prompts.length[row] : lengths[row] - 1].tolist()) for row in rows]
        found.append((rows, Texts(tuple(answers))))
    return found
