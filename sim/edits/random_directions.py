"""Random directions in place of the top singular directions of every change: a control of `truncate`."""

from typing import Annotated

import numpy as np

from sim.config import Positive
from sim.edits._base import Weights, by_matrix, decomposed, generator
from sim.typing import PRNGKey


def random_directions(before: Weights, after: Weights, key: PRNGKey, *, rank: Annotated[int, Positive]) -> Weights:
    """Return q0 plus, for every matrix ΔW of the change, a matrix with its top singular values in random directions.

    The edit differs from `truncate` with the same rank in the directions only: the `rank` largest singular values, and
    with them the Frobenius norm, are the same. Left and right directions are orthonormal and uniformly distributed.
    Vectors keep their full change, as in `truncate`.
    """
    dice = generator(key)
    return by_matrix(lambda change: turned(change, rank, dice), before, after)


def turned(change: np.ndarray, rank: int, dice: np.random.Generator) -> np.ndarray:
    """Return a matrix with the top singular values of another one, at most `rank`, in random directions."""
    values = decomposed(change)[1][:rank]
    left, right = (frame(size, len(values), dice) for size in change.shape)
    return np.asarray((left * values) @ right.T)


def frame(size: int, number: int, dice: np.random.Generator) -> np.ndarray:
    """Return orthonormal columns, uniformly distributed: float64[size, number].

    Source: F. Mezzadri, 2007, "How to generate random matrices from the classical compact groups": the Q of a Gaussian
    matrix is uniform if the diagonal of R is made positive.
    """
    q, r = np.linalg.qr(dice.standard_normal((size, number)))
    return np.asarray(q * np.where(np.diagonal(r) < 0.0, -1.0, 1.0))


def label(rank: int) -> str:
    """Name the edit for people."""
    return f"{rank} random direction{'s' * (rank > 1)} in place of the top ones of every change"
