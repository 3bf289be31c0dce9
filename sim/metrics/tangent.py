"""Second-order quantities of the tangent space at q0, from recorded derivatives of log q."""

import numpy as np

from sim.metrics.scored import Scored, average


def fisher_form(q0: Scored, displacement: np.ndarray, log_law: np.ndarray) -> float:
    """½ Δᵀ F Δ [nat], to second order KL(q0‖q) for a step Δ of the parameters; exact F of q0, by enumeration.

    displacement: float64[N], d(y) = ∇ log q0(y|x) · Δ; log_law: float64[G]. F is that of the law with everything off
    the support as one atom per prompt, whose d follows from those of the others, as E_q0[d] = 0:
    ½ E_x [sum_y q0 d² + q0(⊥) d(⊥)²]. Off q0's support d counts nothing. An error e of sum_y q0 d, such as the rounding
    of a float32 displacement, adds e² / (2 q0(⊥)): it shows where the mass off the support is tiny and not 0.
    Raises ValueError unless there is one displacement per string. Source: S. Amari, 1998, "Natural gradient works
    efficiently in learning".
    """
    if displacement.shape != q0.log_q.shape:
        raise ValueError(f"displacement: shape {q0.log_q.shape} is required, found {displacement.shape}")
    q = np.exp(q0.log_q)
    d = np.where(q > 0.0, displacement, 0.0)
    moved = np.bincount(q0.group, q * d, q0.num_groups)
    squares = np.bincount(q0.group, q * d**2, q0.num_groups)
    rest = np.where(q0.off > 0.0, moved**2 / np.where(q0.off > 0.0, q0.off, 1.0), 0.0)
    return 0.5 * average(log_law, squares + rest)
