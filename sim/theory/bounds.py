"""An inequality between the distance of two distributions and the difference of their diversity."""

import numpy as np


def entropy_continuity(total_variation: np.ndarray, num_atoms: np.ndarray) -> np.ndarray:
    """Largest |H(p) - H(q)| [nat] at a given TV in [0, 1] on K atoms: TV log(K-1) + h(TV). It is attained.

    Raises ValueError if a TV is outside [0, 1]. Source: Zhang 2007; Audenaert 2007.
    """
    t = np.asarray(total_variation, np.float64)
    if not ((t >= 0.0) & (t <= 1.0)).all():
        raise ValueError(f"entropy_continuity: total_variation must lie in [0, 1], found {total_variation!r}")
    with np.errstate(divide="ignore"):
        coin = _surprise(np.log(t)) + _surprise(np.log1p(-t))
    return np.asarray(t * np.log(np.maximum(np.asarray(num_atoms) - 1.0, 1.0)) + coin)


def _surprise(log_p: np.ndarray) -> np.ndarray:
    """-p log p, 0 where p is 0."""
    return -np.exp(log_p) * np.where(log_p > -np.inf, log_p, 0.0)
