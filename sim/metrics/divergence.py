"""Divergences between two distributions listed on the same atoms, averaged over prompts.

`log_p`, `log_q`, `log_w` are float64[K] over K atoms: the supported strings, or the strings and one atom ⊥ per prompt
(`Scored.merged`, `Scored.merged_weights`), which makes each of them exact for a model that leaves the support.
`log_w` is the log prompt law at each atom's prompt; None stands for zeros (one group).
"""

import numpy as np

from sim.numerics import expectation


def log_ratio(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """log p - log q [nat] where p > 0, else 0: float64[K]; +inf where q misses an atom of p; never nan."""
    inside = log_p > -np.inf
    return np.where(inside, np.where(inside, log_p, 0.0) - np.where(inside, log_q, 0.0), 0.0)


def kl(log_p: np.ndarray, log_q: np.ndarray, log_w: np.ndarray | None = None) -> float:
    """KL(p‖q) = E_w sum p (log p - log q) [nat]; +inf where q misses support of p.

    Exact for a sub-stochastic q (a model on the support alone): p has no mass on ⊥, so that atom contributes 0.
    """
    return expectation(_weighted(log_p, log_w), log_ratio(log_p, log_q))


def cross_entropy(log_p: np.ndarray, log_q: np.ndarray, log_w: np.ndarray | None = None) -> float:
    """E_w sum -p log q [nat]; +inf where q misses support of p. Exact for a sub-stochastic q."""
    return expectation(_weighted(log_p, log_w), -np.asarray(log_q))


def total_variation(log_p: np.ndarray, log_q: np.ndarray, log_w: np.ndarray | None = None) -> float:
    """TV = E_w half the sum of |p - q|, in [0, 1]. Needs the merged atoms if p or q leaves the support."""
    gap = np.abs(np.exp(log_p) - np.exp(log_q))
    return 0.5 * expectation(np.zeros(len(gap)) if log_w is None else log_w, gap)


def jensen_shannon(log_p: np.ndarray, log_q: np.ndarray, log_w: np.ndarray | None = None) -> float:
    """JS = (KL(p‖m) + KL(q‖m)) / 2 with m = (p + q) / 2 [nat], in [0, log 2]. Needs the merged atoms.

    Source: Lin 1991.
    """
    log_m = np.logaddexp(log_p, log_q) - np.log(2.0)
    return 0.5 * (kl(log_p, log_m, log_w) + kl(log_q, log_m, log_w))


def hellinger(log_p: np.ndarray, log_q: np.ndarray, log_w: np.ndarray | None = None) -> float:
    """Hellinger distance sqrt(E_w half the sum of (sqrt p - sqrt q)^2), in [0, 1]. Needs the merged atoms."""
    gap = (np.exp(0.5 * np.asarray(log_p)) - np.exp(0.5 * np.asarray(log_q))) ** 2
    return float(np.sqrt(0.5 * expectation(np.zeros(len(gap)) if log_w is None else log_w, gap)))


def _weighted(log_p: np.ndarray, log_w: np.ndarray | None) -> np.ndarray:
    return np.asarray(log_p) if log_w is None else np.asarray(log_p) + log_w
