"""Keep the singular directions of every change that stand out of its noise: DG-Hard."""

import numpy as np

from sim.edits._base import Weights, by_matrix, decomposed
from sim.theory.shrinkage import hard_threshold as threshold
from sim.typing import PRNGKey


def hard_threshold(before: Weights, after: Weights, key: PRNGKey) -> Weights:
    """Return q0 plus, of every matrix ΔW of the change, the directions with singular values above a threshold.

    The threshold is that of Gavish and Donoho for noise of unknown size, see `sim.theory.shrinkage`. It follows from
    the spectrum of each matrix alone. Vectors keep their full change. The key is not used.
    Source: A. Abro and M. Tahir, 2026, "Spectral unforgetting: post-hoc recovery of damaged capabilities without
    retraining" (arXiv 2605.20296), with the estimate of the noise by the median. Their program leaves matrices of fewer
    than 1,024 numbers alone; here all are cut.
    """
    del key
    return by_matrix(standing_out, before, after)


def standing_out(change: np.ndarray) -> np.ndarray:
    """Return the part of a matrix with singular values above the threshold."""
    left, values, right = decomposed(change)
    kept = values > threshold(values, change.shape)
    return np.asarray((left[:, kept] * values[kept]) @ right[kept])


def label() -> str:
    """Name the edit for people."""
    return "singular directions above the threshold of Gavish and Donoho"
