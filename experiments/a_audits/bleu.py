"""Self-BLEU: how well each text of a sample matches all others. Its exact expectation, and its value on samples.

Self-BLEU is the mean of BLEU-3 over the texts of a sample, each with all others as references: the geometric mean of
the clipped precisions of n-grams, n = 1, 2, 3, where no match counts as ε = 0.1 matches. A text that shares no token
with the others has 0, as in nltk. The brevity penalty is left out; it is 1 where all answers have one length.
Source: K. Papineni et al. 2002 (BLEU); B. Chen and C. Cherry 2014 (the first of their smoothings); Y. Zhu et al. 2018,
"Texygen" (Self-BLEU).
"""

import functools
import weakref
from dataclasses import dataclass

import numpy as np

from experiments.a_audits.texts import ORDERS, Texts

EPSILON = 0.1
"""What counts in place of no match."""

MOST_BITS = 12
"""Most n-grams of an answer, over all orders, for which the expectation is exact; the work doubles with each."""

NEGLIGIBLE = 1e-13
"""Largest weight of a set of n-grams that is left out; 4096 of them change a BLEU of at most 1 by less than 1e-9."""


def precisions(texts: Texts) -> tuple[np.ndarray, ...]:
    """For every order: a third of the log of an answer's precision by its number of matches, float64[N, M + 1]."""
    found = []
    for order in ORDERS:
        total = np.maximum(texts.counts(order), 1).astype(np.float64)
        matches = np.arange(total.max() + 1)
        log_match = np.log(np.where(matches > 0, matches, EPSILON))
        if order == 1:
            log_match[0] = -np.inf
        found.append((log_match - np.log(total)[:, None]) / len(ORDERS))
    return tuple(found)


def on_samples(texts: Texts, counts: np.ndarray) -> np.ndarray:
    """Self-BLEU of samples: float64[R] from int64[R, N], how often each answer was drawn; at least two draws.

    An answer that was drawn twice has itself as a reference, so all its n-grams match. The others match what some other
    answer of the sample holds.
    """
    seen = (counts > 0).astype(np.float32)
    rows, at = np.nonzero(counts == 1)
    log_bleu, log_whole = np.zeros(len(rows)), np.zeros(len(texts.answers))
    for order, table in zip(ORDERS, precisions(texts), strict=True):
        held = texts.levels[order][0].astype(np.float32)
        others = (seen @ held >= 1.5).astype(np.float32)  # held by the answer itself, and by another one
        log_bleu += table[at, (others @ held.T)[rows, at].astype(np.int64)]
        log_whole += table[np.arange(len(table)), texts.counts(order)]
    total = np.bincount(rows, np.exp(log_bleu), len(counts)) + np.where(counts > 1, counts, 0) @ np.exp(log_whole)
    return np.asarray(total / counts.sum(axis=1))


@dataclass(frozen=True, eq=False)
class Pattern:
    """What decides the expected BLEU of one answer: E BLEU = Σ_C weight_C · P(a string is inside C)^(k-1).

    inside: whether what an answer shares with this one lies inside the set C of its n-grams, float64[N, C].
    """

    inside: np.ndarray
    weight: np.ndarray


def bits(texts: Texts) -> int:
    """Largest number of n-grams of one answer, over all orders and with repetitions."""
    return int(np.sum([texts.counts(order) for order in ORDERS], axis=0).max())


_patterns: "weakref.WeakKeyDictionary[Texts, list[Pattern]]" = weakref.WeakKeyDictionary()


def patterns(texts: Texts) -> list[Pattern]:
    """The pattern of every answer. Raises ValueError if an answer has more than `MOST_BITS` n-grams."""
    if bits(texts) > MOST_BITS:
        raise ValueError(f"self-BLEU: at most {MOST_BITS} n-grams of an answer are required, found {bits(texts)}")
    if texts not in _patterns:
        tables = precisions(texts)
        _patterns[texts] = [_pattern(texts, tables, at) for at in range(len(texts.answers))]
    return _patterns[texts]


def _pattern(texts: Texts, tables: tuple[np.ndarray, ...], at: int) -> Pattern:
    """By inclusion and exclusion over the n-grams of an answer that no reference holds.

    With U(C) = P(all k - 1 references share only n-grams of C), P(they share exactly C) is the Möbius inverse of U, so
    E BLEU = Σ_C BLEU(C) Σ_{D ⊆ C} (-1)^{|C \\ D|} U(D) = Σ_D U(D) weight(D). Sets D that no string tells apart join.
    """
    own = [np.flatnonzero(texts.levels[order][0][at]) for order in ORDERS]
    size = sum(map(len, own))
    shared = np.hstack([texts.levels[order][0][:, columns] for order, columns in zip(ORDERS, own, strict=True)])
    mask = shared.astype(np.int64) @ (1 << np.arange(size))
    sets = np.arange(1 << size)
    start, log_bleu = 0, np.zeros(len(sets))
    for columns, table in zip(own, tables, strict=True):
        part = (sets >> start) & ((1 << len(columns)) - 1)
        log_bleu += table[at, _ones(part)]
        start += len(columns)
    weight = np.exp(log_bleu)
    for bit in range(size):  # from the largest sets down: weight(D) = Σ_{C ⊇ D} (-1)^{|C \ D|} BLEU(C)
        without = (sets >> bit) & 1 == 0
        weight[without] -= weight[sets[without] | (1 << bit)]
    different, group = _joined(mask, sets)
    total = np.bincount(group, weight, len(different[0]))
    kept = np.abs(total) > NEGLIGIBLE
    return Pattern(different[:, kept].astype(np.float64), total[kept])


def _ones(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.bitwise_count(values), np.int64)


def _joined(mask: np.ndarray, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which masks lie inside which sets, bool[N, K] with different columns, and the column of every set."""
    kinds, place = np.unique(mask, return_inverse=True)
    inside = (kinds[:, None] & ~sets) == 0  # [kinds, sets]
    columns, group = np.unique(inside, axis=1, return_inverse=True)
    return columns[place], group.ravel()


def expected(texts: Texts, q: np.ndarray, num_samples: int) -> np.ndarray:
    """E of self-BLEU over independent samples of k >= 2 answers: float64[M] from the laws q, float64[M, N]. Exact.

    It is E_{y ~ q} of the expected BLEU of y against k - 1 independent references. Raises ValueError as `patterns`.
    """
    found = np.zeros(len(q))
    for at, one in enumerate(patterns(texts)):
        alive = q[:, at] > 0
        inside = np.minimum(q[alive] @ one.inside, 1.0)
        found[alive] += q[alive, at] * (inside ** (num_samples - 1) @ one.weight)
    return found


@functools.cache
def is_exact(texts: Texts) -> bool:
    """Whether the expectation can be computed exactly."""
    return bits(texts) <= MOST_BITS
