"""The noise of a step's gradient in the units of Adam's step."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from sim.probes._population import loss_only, population
from sim.training.job import Job, loss_and_gradient
from sim.training.sweep import at_ends
from sim.typing import Array, Float, Int, Params

BATCHES = 16
"""Number K of batches that are drawn at an evaluation."""


@at_ends
def gradient_noise(job: Job, params: Params) -> dict[str, np.ndarray]:
    """Return the root mean square of (batch gradient - exact gradient) / sqrt(v) over batches and parameters, float64.

    gradient_noise [1]: sqrt(mean_i [mean_k (g_ki - g_i)² / v_i]). g_k is the gradient of one of K = BATCHES fresh
    batches of the run's own size, with its own targets and its own way to draw strings; g is the gradient of the
    population loss. v_i = mean_k g_ki² is what Adam's second moment is on average if the parameters stay where they
    are. The state of the optimiser is not looked at, and eps and clipping are left out. So the number is about 1 if a
    step is noise alone, and 0 if each step uses the whole support. A parameter without a gradient in any batch is left
    out, because Adam does not move it. With exact targets it is the noise of the drawn prefixes that is left. If the
    targets change during the phase, they are those of the first step at q0, and those of the last step elsewhere.
    Source: D. Kingma and J. Ba, 2015, "Adam: a method for stochastic optimization", section 3 (v as an estimate of
    E g²).
    """
    is_start = all(np.array_equal(*pair) for pair in zip(*map(jax.tree.leaves, (params, job.init)), strict=True))
    step = jnp.int32(0 if is_start else int(job.phase.num_steps) - 1)  # a number that counts from 0
    found = jax.device_get(_gradients(loss_only(job), population(job), params, step))
    drawn, exact = (np.asarray(one, np.float64) for one in found)
    return {"gradient_noise": np.array([relative_noise(drawn, exact)])}


def relative_noise(drawn: Float[np.ndarray, "K n"], exact: Float[np.ndarray, "n"]) -> float:
    """sqrt(mean_i [mean_k (g_ki - g_i)² / mean_k g_ki²]) over the parameters i with a gradient; 0 if there is none."""
    second = np.mean(drawn**2, axis=0)
    moved = second > 0.0
    noise = np.mean((drawn - exact) ** 2, axis=0)[moved] / second[moved]
    return float(np.sqrt(noise.mean())) if moved.any() else 0.0


@jax.jit
def _gradients(
    job: Job, whole: Job, params: Params, step: Int[Array, ""]
) -> tuple[Float[Array, "K n"], Float[Array, "n"]]:
    """Return the gradients of K batches as at a step, and the gradient of the population loss."""

    def gradient(of: Job, key: Array) -> Float[Array, "n"]:
        return ravel_pytree(loss_and_gradient(of, params, key, None, step)[1])[0]

    keys = jax.random.split(jax.random.fold_in(job.key, 2**32 - 1), BATCHES)  # no step has this number
    with jax.default_matmul_precision("highest"):
        return jax.lax.map(lambda key: gradient(job, key), keys), gradient(whole, job.key)
