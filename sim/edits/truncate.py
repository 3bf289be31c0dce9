"""Keep the top singular directions of every change: which part of a fine-tuning does what?"""

from typing import Annotated

import numpy as np

from sim.config import Positive
from sim.edits._base import Weights, by_matrix, decomposed
from sim.typing import PRNGKey


def truncate(before: Weights, after: Weights, key: PRNGKey, *, rank: Annotated[int, Positive]) -> Weights:
    """Return q0 plus the best approximation of rank `rank` of every matrix ΔW of the change.

    Vectors keep their full change, see `sim.edits._base.by_matrix`. A matrix whose shorter side is at most `rank` keeps
    its change too, so a large rank gives the tuned model. The key is not used.
    Source: C. Eckart & G. Young, 1936, "The approximation of one matrix by another of lower rank".
    """
    del key
    return by_matrix(lambda change: top(change, rank), before, after)


def top(change: np.ndarray, rank: int) -> np.ndarray:
    """Return the best approximation of a matrix by one of a rank, in the Frobenius norm: its top singular directions.

    The matrix is returned as it is if its shorter side is at most `rank`.
    """
    if rank >= min(change.shape):
        return change
    left, values, right = decomposed(change)
    return np.asarray((left[:, :rank] * values[:rank]) @ right[:rank])


def label(rank: int) -> str:
    """Name the edit for people."""
    return f"top {rank} singular direction{'s' * (rank > 1)} of every change"
