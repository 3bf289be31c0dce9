"""Interpolate between the parameters of q0 and those of the tuned model."""

from typing import Annotated

import jax
import numpy as np

from sim.config import Fraction
from sim.edits._base import Weights
from sim.typing import PRNGKey


def interpolate(before: Weights, after: Weights, key: PRNGKey, *, weight: Annotated[float, Fraction]) -> Weights:
    """Return (1 - w) θ0 + w θ1, with the weight w of the tuned model. The key is not used.

    The ends are exact: w = 0 gives q0, and w = 1 the tuned model.
    Source: M. Wortsman et al., 2022, "Robust fine-tuning of zero-shot models" (arXiv 2109.01903), WiSE-FT.
    """
    del key
    return jax.tree.map(lambda start, end: np.asarray((1.0 - weight) * start + weight * end), before, after)


def mean_weights(weight: float) -> tuple[float, ...]:
    """Return the weights of q0 and of the tuned model in the mean that the edit makes."""
    return 1.0 - weight, weight


def label(weight: float) -> str:
    """Name the edit for people."""
    return f"weights interpolated from q₀ at {weight:g}"
