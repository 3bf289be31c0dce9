"""A step from q0 in a random direction: a control that lies off the path of any training."""

from typing import Annotated

import jax
import numpy as np

from sim.config import NonNegative
from sim.edits._base import Weights, generator
from sim.typing import PRNGKey


def random_step(before: Weights, after: Weights, key: PRNGKey, *, norm: Annotated[float, NonNegative]) -> Weights:
    """Return θ0 + r u, where u is uniform on the unit sphere of all parameters together, and r is `norm`.

    The norm is absolute, in the unit of the parameters. The parameters of the tuned model are not used.
    Source: M. E. Muller, 1959, "A note on a method for generating points uniformly on n-dimensional spheres".
    """
    del after
    dice = generator(key)
    drawn = jax.tree.map(lambda leaf: dice.standard_normal(leaf.shape), before)
    length = np.sqrt(sum(float(np.sum(leaf**2)) for leaf in jax.tree.leaves(drawn)))
    return jax.tree.map(lambda start, one: np.asarray(start + norm * (one / length)), before, drawn)


def label(norm: float) -> str:
    """Name the edit for people."""
    return f"q₀ plus a random direction of norm {norm:g}"
