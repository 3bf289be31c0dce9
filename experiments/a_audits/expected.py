"""Exact expectations of what papers report on samples, over k independent answers to one prompt.

Every function takes the laws q of M models, float64[M, N], and k, and returns float64[M]. All numbers are oriented so
that a larger one says "more diverse".
"""

import numpy as np

from experiments.a_audits.texts import Texts

REACH, ROOM = 9.0, 25.0
"""How far the binomial sums go around their mean: 9 standard deviations and 25. The rest is below 1e-15."""

CHUNK = 2048
"""Numbers of strings whose binomial sums are computed together."""


def unseen(q: np.ndarray, num_samples: int) -> np.ndarray:
    """(1 - q)^k, the probability that k samples miss a string, without cancellation."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(num_samples * np.log1p(-np.minimum(q, 1.0))))


def distinct(q: np.ndarray, num_samples: int) -> np.ndarray:
    """E of the number of different answers: Σ 1 - (1 - q)^k."""
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(num_samples * np.log1p(-np.minimum(q, 1.0))).sum(axis=1))


def unique_share(q: np.ndarray, num_samples: int) -> np.ndarray:
    """E of different answers per sample."""
    return distinct(q, num_samples) / num_samples


def different_grams(texts: Texts, q: np.ndarray, num_samples: int, order: int) -> np.ndarray:
    """E of the number of different n-grams of the sample: Σ over n-grams of 1 - (1 - P(an answer holds it))^k."""
    return distinct(q @ texts.kinds(order).astype(np.float64), num_samples)


def mean_count(texts: Texts, q: np.ndarray, order: int) -> np.ndarray:
    """E of the number of n-grams of one answer."""
    return np.asarray(q @ texts.counts(order).astype(np.float64))


def plug_in(q: np.ndarray, num_samples: int) -> np.ndarray:
    """E of the plug-in entropy [nat]: Σ_y Σ_c Binomial(c; k, q_y) · -(c/k) log(c/k)."""
    values, place = np.unique(q, return_inverse=True)
    return np.asarray(of_a_string(values, num_samples)[place.reshape(q.shape)].sum(axis=1))


def of_a_string(q: np.ndarray, num_samples: int) -> np.ndarray:
    """E of -(c/k) log(c/k) with c ~ Binomial(k, q): float64[n] from ascending q, float64[n]."""
    k, log_factorial = num_samples, np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, num_samples + 1)))])
    found = np.zeros(len(q))
    for start in range(0, len(q), CHUNK):
        own = q[start : start + CHUNK]
        spread = REACH * np.sqrt(k * own * (1.0 - own)) + ROOM
        low = np.maximum(np.floor(k * own - spread), 1).astype(np.int64)
        width = int((np.minimum(np.ceil(k * own + spread), k).astype(np.int64) - low).max(initial=0)) + 1
        c = low[:, None] + np.arange(width)
        inside = c <= k
        c = np.minimum(c, k)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_q, log_rest = np.log(own)[:, None], np.log1p(-own)[:, None]
            log_p = c * log_q + np.where(c < k, (k - c) * log_rest, 0.0)
        log_p += log_factorial[k] - log_factorial[c] - log_factorial[k - c]
        found[start : start + CHUNK] = np.where(inside, np.exp(log_p) * -(c / k) * np.log(c / k), 0.0).sum(axis=1)
    return found


def miller_madow(q: np.ndarray, num_samples: int) -> np.ndarray:
    """E of the plug-in entropy plus (number of different answers - 1) / 2k [nat]."""
    return plug_in(q, num_samples) + (distinct(q, num_samples) - 1.0) / (2.0 * num_samples)


def missing(q: np.ndarray, num_samples: int) -> np.ndarray:
    """E of f_1 / k, one minus Good and Turing's coverage: Σ q (1 - q)^(k-1)."""
    return np.asarray((q * unseen(q, num_samples - 1)).sum(axis=1))


def collision(q: np.ndarray, _: int) -> np.ndarray:
    """E of minus the share of equal pairs of draws: -Σ q², for every k >= 2."""
    return np.asarray(-(q**2).sum(axis=1))


def overlap(texts: Texts, q: np.ndarray) -> np.ndarray:
    """E of minus the mean overlap of two draws: -Σ q q' s(y, y'), for every k >= 2."""
    return np.asarray(-np.einsum("mn,mn->m", q @ texts.overlap, q))


def entropy(q: np.ndarray) -> np.ndarray:
    """H(q) [nat]."""
    return np.asarray(-(q * np.log(np.where(q > 0, q, 1.0))).sum(axis=1))
