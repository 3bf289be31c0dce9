"""The empirical neural tangent kernel at the current parameters: how a step on one string moves every other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from sim.numerics import SpecificationError
from sim.probes.tangent import log_probs
from sim.training.job import Job
from sim.typing import Array, Float, Params

LARGEST = 1024
"""Largest number of strings: the kernel has a number for each pair of them, at every evaluation."""


def kernel(job: Job, params: Params) -> dict[str, np.ndarray]:
    """Return the kernel K(y, y') = ∇l(y) · ∇l(y') at θ = `params`, for the N strings of P.

    l(y) is log q(y) over the scored tokens [nat]. kernel [N (N + 1) / 2]: the rows of the lower triangle, diagonal
    included, one after another (`sim.theory.kernel.unpacked`), float64. Derivatives and sums over parameters are
    float32. Raises SpecificationError for more than 1,024 strings.
    Source: A. Jacot et al., 2018, "Neural tangent kernel: convergence and generalization in neural networks".
    """
    number = job.phase.base.strings.shape[0]
    if number > LARGEST:
        raise SpecificationError(
            f"finetune.probes: at most {LARGEST} strings in the language are required for the probe kernel, found "
            f"{number}; choose a smaller language, or leave the probe out"
        )
    found = np.asarray(jax.device_get(_gram(job, params)), np.float64)
    return {"kernel": found[np.tril_indices(number)]}


@jax.jit
def _gram(job: Job, params: Params) -> Float[Array, "N N"]:
    with jax.default_matmul_precision("highest"):
        rows = jax.jacrev(lambda at: log_probs(job, at, job.phase.base.strings))(params)
        flat = [leaf.reshape(leaf.shape[0], -1) for leaf in jax.tree.leaves(rows)]
        return functools.reduce(jnp.add, [leaf @ leaf.T for leaf in flat])
