"""The mean of the parameters of several fine-tunings of one q0: a model soup."""

from typing import Annotated

import jax
import numpy as np

from sim.config import AtLeast
from sim.edits._base import Weights
from sim.edits._siblings import Siblings
from sim.typing import PRNGKey


def soup(
    before: Weights, after: Weights, key: PRNGKey, *, size: Annotated[int, AtLeast(2)], siblings: Siblings
) -> Weights:
    """Return Σ θ_i / size over the tuned model and its first size - 1 siblings. Neither q0 nor the key is used.

    This is the uniform soup. The published soups average fine-tunings with other hyperparameters too; siblings differ
    in their random draws alone. Raises ValueError if there are too few siblings.
    Source: M. Wortsman et al., 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy
    without increasing inference time" (arXiv 2203.05482).
    """
    del before, key
    number = len(siblings.params)
    if size > 1 + number:
        raise ValueError(
            f"size: at most 1 + finetune.siblings ({1 + number}) is required, found {size}; "
            f"set finetune.siblings to {size - 1}"
        )
    return jax.tree.map(lambda *ends: np.mean(np.stack(ends), axis=0), after, *siblings.params[: size - 1])


def mean_weights(size: int) -> tuple[float, ...]:
    """Return the weights of q0, of the tuned model and of its siblings in the mean that the edit makes."""
    return (0.0, *[1.0 / size] * size)


def label(size: int) -> str:
    """Name the edit for people."""
    return f"mean of the weights of {size} fine-tunings"
