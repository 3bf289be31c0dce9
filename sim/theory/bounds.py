"""Inequalities between the distance of two distributions and the difference of their diversity."""

import numpy as np


def entropy_continuity(total_variation: float, num_atoms: int) -> float:
    """Largest |H(p) - H(q)| [nat] at a given TV in [0, 1] on K atoms: TV log(K-1) + h(TV). It is attained.

    Raises ValueError if TV is outside [0, 1] or K < 1. Source: Zhang 2007; Audenaert 2007.
    """
    if not 0.0 <= total_variation <= 1.0:
        raise ValueError(f"entropy_continuity: total_variation must lie in [0, 1], found {total_variation!r}")
    if num_atoms < 1:
        raise ValueError(f"entropy_continuity: num_atoms must be at least 1, found {num_atoms!r}")
    spread = total_variation * np.log(max(num_atoms - 1, 1))
    return float(spread + sum(-t * np.log(t) for t in (total_variation, 1.0 - total_variation) if t > 0.0))


def pinsker(divergence: float) -> float:
    """Upper bound of TV(p, q) at a given KL(p‖q) >= 0 [nat], by Pinsker's inequality: min(1, sqrt(KL / 2)).

    Raises ValueError if KL is negative or nan. Source: Csiszár 1967.
    """
    return min(1.0, float(np.sqrt(_nonnegative("pinsker", divergence) / 2.0)))


def collision_continuity(divergence: float) -> float:
    """Upper bound of |C(p) - C(q)| at a given KL(p‖q) >= 0 [nat]: min(1, sqrt(KL)).

    Raises ValueError if KL is negative or nan. Source: Skobelev, Fithian & Han 2026 (arXiv 2609.16454).
    """
    return min(1.0, float(np.sqrt(_nonnegative("collision_continuity", divergence))))


def _nonnegative(name: str, divergence: float) -> float:
    if not divergence >= 0.0:
        raise ValueError(f"{name}: a divergence >= 0 is required, found {divergence!r}; sum it in float64")
    return divergence
