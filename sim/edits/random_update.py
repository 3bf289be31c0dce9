"""A random matrix of the same norm in place of the change of every matrix: what has no structure at all."""

import numpy as np

from sim.edits._base import Weights, by_matrix, generator
from sim.typing import PRNGKey


def random_update(before: Weights, after: Weights, key: PRNGKey) -> Weights:
    """Return q0 plus, for every matrix ΔW of the change, a Gaussian matrix with the Frobenius norm of ΔW.

    Its entries are independent and normal before they are scaled, so its direction is uniform on the sphere. Vectors
    keep their full change.
    Source: M. E. Muller, 1959, "A note on a method for generating points uniformly on n-dimensional spheres".
    """
    dice = generator(key)

    def drawn(change: np.ndarray) -> np.ndarray:
        noise = dice.standard_normal(change.shape)
        return np.asarray(np.linalg.norm(change) * (noise / np.linalg.norm(noise)))

    return by_matrix(drawn, before, after)


def label() -> str:
    """Name the edit for people."""
    return "a random matrix of equal norm in place of every change"
