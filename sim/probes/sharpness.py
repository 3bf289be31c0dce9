"""The sharpness of the loss at q0, which is the largest eigenvalue of its Hessian, and how far the parameters moved."""

import weakref
from collections.abc import Callable, Hashable

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from sim.probes._population import content, population
from sim.training.job import Job, loss_and_gradient
from sim.typing import Array, Float, Params

ITERATIONS, TOLERANCE = 60, 1e-2
"""Most Hessian-vector products, and the largest residual of the eigenvector as a share of the eigenvalue."""

_known: dict[int, tuple[weakref.ref[Job], float]] = {}
"""The sharpness of the jobs that still exist, so that it is computed at the first evaluation alone."""

_of_content: dict[Hashable, float] = {}
"""The sharpness by everything that decides it. Arms of a study with one q0 and one loss have it in common."""


def sharpness(job: Job, params: Params) -> dict[str, np.ndarray]:
    """Return the sharpness at θ0 = `job.init`, and the distance of the parameters from θ0, float64.

    sharpness [1]: lambda_max, the largest eigenvalue of the Hessian of the population loss of the phase at θ0 [nat]. It
    is the same at every evaluation. weight_distance [1]: ‖θ - θ0‖₂; a parameter that is -inf in both adds 0.
    The population loss is the objective on the whole support of S with its probabilities. So for SFT it is the
    cross-entropy -E_S log q, for exact and for sampled targets. The Hessian is never formed.
    """
    now, before = _flat(params), _flat(job.init)
    moved = np.where(now == before, 0.0, now - np.where(np.isinf(before), 0.0, before))
    return {"sharpness": np.array([_once(job)]), "weight_distance": np.array([np.linalg.norm(moved)])}


def _once(job: Job) -> float:
    known = _known.get(id(job))
    if known is not None and known[0]() is job:
        return known[1]

    whole = population(job)

    def product(vector: Float[np.ndarray, "n"]) -> np.ndarray:
        return np.asarray(_product(whole, np.asarray(vector, np.float32)), np.float64)

    digest, number = content(whole), id(job)
    if digest not in _of_content:
        _of_content[digest] = largest_eigenvalue(product, _flat(job.init).size)
    found = _of_content[digest]
    _known[number] = weakref.ref(job, lambda _: _known.pop(number, None)), found
    return found


def _flat(tree: Params) -> np.ndarray:
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.device_get(jax.tree.leaves(tree))])


@jax.jit
def _product(whole: Job, vector: Float[Array, "n"]) -> Float[Array, "n"]:
    """Hessian of the loss at θ0 times a vector: the derivative of the gradient along it."""
    unravel = ravel_pytree(whole.init)[1]
    with jax.default_matmul_precision("highest"):
        slope = jax.jvp(lambda p: loss_and_gradient(whole, p, whole.key)[1], (whole.init,), (unravel(vector),))[1]
    return ravel_pytree(slope)[0]


def largest_eigenvalue(product: Callable[[Float[np.ndarray, "n"]], np.ndarray], size: int) -> float:
    """Return the largest eigenvalue of a symmetric matrix of a given size that is known by its products alone.

    This is the method of Lanczos with full reorthogonalisation, from a fixed random vector. The result is the Rayleigh
    quotient of a vector, so it is never too large but for rounding. It ends if the residual of this vector is at most
    TOLERANCE times the result, which has an eigenvalue within the residual. The error is of second order in it.
    Source: G. Golub and C. Van Loan, 2013, "Matrix computations", chapter 10; B. Parlett, 1998, "The symmetric
    eigenvalue problem", theorem 4.5.1.
    """
    start = np.random.default_rng(0).normal(size=size)
    basis = [start / np.linalg.norm(start)]
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        image = product(basis[-1])
        diagonal.append(float(image @ basis[-1]))
        rows = np.array(basis)
        for _ in range(2):  # once is not enough in finite precision
            image = image - rows.T @ (rows @ image)
        values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
        left = float(np.linalg.norm(image))
        residual = left * abs(vectors[-1, -1])
        if residual <= TOLERANCE * abs(values[-1]) or len(basis) in (size, ITERATIONS):
            return float(values[-1])
        beside.append(left)
        basis.append(image / left)
