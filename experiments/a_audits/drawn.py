"""What papers report, on samples: numbers from how often each answer to one prompt was drawn.

Every function takes counts, int64[R, N] for R samples of k draws each, and returns float64[R]. The orientation is that
of `expected`: a larger number says "more diverse". `sim.estimators` has the same estimators with intervals.
"""

import numpy as np

from experiments.a_audits.texts import Texts


def unique_share(counts: np.ndarray) -> np.ndarray:
    """Different answers per draw."""
    return np.asarray((counts > 0).sum(axis=1) / counts.sum(axis=1))


def different_grams(texts: Texts, counts: np.ndarray, order: int) -> np.ndarray:
    """Number of different n-grams."""
    seen = (counts > 0).astype(np.float32) @ texts.kinds(order).astype(np.float32)
    return np.asarray((seen > 0.5).sum(axis=1), np.float64)


def total_grams(texts: Texts, counts: np.ndarray, order: int) -> np.ndarray:
    """Number of n-grams."""
    return np.asarray(counts @ texts.counts(order), np.float64)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Distinct-n: different n-grams per n-gram; 0 if there is none."""
    return np.asarray(numerator / np.where(denominator > 0, denominator, 1.0))


def plug_in(counts: np.ndarray) -> np.ndarray:
    """-Σ (c/k) log(c/k) [nat]."""
    k = int(counts[0].sum())
    share = np.arange(k + 1) / k
    table = -share * np.log(np.where(share > 0, share, 1.0))
    return np.asarray(table[counts].sum(axis=1))


def miller_madow(counts: np.ndarray) -> np.ndarray:
    """The plug-in entropy plus (number of different answers - 1) / 2k [nat]."""
    return np.asarray(plug_in(counts) + ((counts > 0).sum(axis=1) - 1) / (2.0 * counts.sum(axis=1)))


def chao_shen(counts: np.ndarray) -> np.ndarray:
    """-Σ C p log(C p) / (1 - (1 - C p)^k) [nat], see `sim.estimators.counts.chao_shen`."""
    k = counts.sum(axis=1)
    ones = (counts == 1).sum(axis=1)
    coverage = 1.0 - (ones - (ones == k)) / k
    rows, at = np.nonzero(counts)
    p = coverage[rows] * counts[rows, at] / k[rows]
    certain = p == 1.0
    seen = np.where(certain, 1.0, -np.expm1(k[rows] * np.log1p(-np.where(certain, 0.5, p))))
    return np.bincount(rows, -p * np.log(p) / seen, len(counts))


def missing(counts: np.ndarray) -> np.ndarray:
    """f_1 / k, one minus Good and Turing's coverage."""
    return np.asarray((counts == 1).sum(axis=1) / counts.sum(axis=1))


def collision(counts: np.ndarray) -> np.ndarray:
    """Minus the share of pairs of draws that are equal."""
    k = counts.sum(axis=1)
    return np.asarray(-(counts * (counts - 1)).sum(axis=1) / (k * (k - 1)))


def overlap(texts: Texts, counts: np.ndarray) -> np.ndarray:
    """Minus the mean overlap of two draws."""
    c, k = counts.astype(np.float64), counts.sum(axis=1)
    total = np.einsum("rn,rn->r", c @ texts.overlap, c) - c @ np.diag(texts.overlap)
    return np.asarray(-total / (k * (k - 1)))
