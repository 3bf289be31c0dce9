"""What a look at a model records: sums along independent strings, in float64. All estimates are made of them."""

import numpy as np

from sim.unlisted.world import alive

BINS = 16
"""Most bins of depth. A record has a sum for every string and bin, so that hazards by depth have intervals."""


def edges(length: int) -> np.ndarray:
    """The first position of every bin of depth, and L at the end: int64[D + 1], with D at most BINS and L."""
    return np.unique(np.linspace(0, length, min(BINS, length) + 1).round().astype(np.int64))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """log q(next token) [nat] from logits, float64 over the last axis. Raises FloatingPointError if one is not finite.

    A logit of -inf is no probability of a model that is trained here, so it counts as a mistake, too.
    """
    values = np.asarray(logits, np.float64)
    if not np.isfinite(values).all():
        raise FloatingPointError("a logit is not finite: training diverged; lower the learning rate")
    values = values - values.max(axis=-1, keepdims=True)
    return values - np.log(np.exp(values).sum(axis=-1, keepdims=True))


def log_prob(log_q: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """log q(x) [nat] of rows int[N, L] from next-token laws float64[N, L, V]: float64[N]."""
    at_token = np.take_along_axis(log_q, rows[..., None].astype(np.int64), axis=-1)[..., 0]
    return np.asarray(np.where(alive(rows), at_token, 0.0).sum(axis=1))


def look(log_q: np.ndarray, law: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """What is known of a model q along the rows that a law has drawn.

    log_q: log q(. | x_<t), float64[N, L, V]; law: the exact next-token laws p(. | x_<t) along the rows, float64[N, L,
    V]; rows: int[N, L]. The arrays are

    log_q       log q(x) [nat], float64[N]
    kl_each     KL(p(. | x_<t)||q(. | x_<t)) [nat] at every position, 0 behind the end, float32[N, L]: terms of sums
                over the places of a string at which something holds, such as what a rule derives
    kl_at       sum over the positions t of a bin of KL(p(. | x_<t)||q(. | x_<t)) [nat], float64[N, D]
    off_at      sum over the positions of a bin of q(a token that p cannot write | x_<t), float64[N, D]
    stays       sum over all positions of log(1 - that probability) [nat], float64[N]

    Source: A. Amini, T. Vieira and R. Cotterell, arXiv 2504.10637, for the sums of KL.
    """
    counted = alive(rows)
    possible = law > 0
    with np.errstate(divide="ignore"):
        log_p = np.log(law)
    terms = np.where(possible, law * (np.where(possible, log_p, 0.0) - log_q), 0.0).sum(axis=-1)
    off = np.where(possible, 0.0, np.exp(log_q)).sum(axis=-1)
    on = np.where(possible, np.exp(log_q), 0.0).sum(axis=-1)
    first = edges(rows.shape[1])[:-1]
    return {
        "log_q": log_prob(log_q, rows),
        "kl_each": np.where(counted, terms, 0.0).astype(np.float32),
        "kl_at": np.add.reduceat(np.where(counted, terms, 0.0), first, axis=1),
        "off_at": np.add.reduceat(np.where(counted, off, 0.0), first, axis=1),
        "stays": np.where(counted, np.log(on), 0.0).sum(axis=1),
    }


def path_entropy(law: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Sum over t of H(p(. | x_<t)) [nat] along rows that p has drawn; its mean estimates H(p). float64[N]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(law > 0, -law * np.log(law), 0.0).sum(axis=-1)
    return np.asarray(np.where(alive(rows), terms, 0.0).sum(axis=1))
