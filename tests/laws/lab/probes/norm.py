"""The size of the parameters."""

import jax
import numpy as np

from sim.training.job import Job
from sim.typing import Params


def norm(job: Job, params: Params) -> dict[str, np.ndarray]:
    """norm [1]: the Euclidean norm of the parameters."""
    del job
    return {"norm": np.array([np.sqrt(sum(float((np.asarray(one) ** 2).sum()) for one in jax.tree.leaves(params)))])}
