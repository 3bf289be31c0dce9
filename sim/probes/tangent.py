"""The tangent space at q0: how the movement of the parameters and the first step change log-probabilities."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from sim.models._base import Bound
from sim.training.job import Job, context_of, loss
from sim.typing import Array, Float, Params, Tokens

CHUNK = 256
"""Number of strings that are scored at a time."""


def tangent(job: Job, params: Params) -> dict[str, np.ndarray]:
    """Return directional derivatives at θ0 = `job.init` for the N strings of P, float64.

    l(y) is log q(y) over the scored tokens [nat]. tangent_displacement [N]: ∇l(y) · (θ - θ0) [nat], the change of l to
    first order. tangent_velocity [N]: ∇l(y) · g, where -g is the gradient of the population loss; this is the change of
    l per step of gradient descent, divided by the learning rate. For SFT it is (K S)(y), with the empirical neural
    tangent kernel K(y, y') = ∇l(y) · ∇l(y'). weight_distance [1]: ‖θ - θ0‖₂.
    Only forward derivatives are used: neither the Jacobian nor the kernel is formed.
    Source: A. Jacot et al., 2018, "Neural tangent kernel: convergence and generalization in neural networks".
    """
    found = jax.device_get(_tangent(job, params))
    return {name: np.asarray(values, np.float64) for name, values in found.items()}


@jax.jit
def _tangent(job: Job, params: Params) -> dict[str, Array]:
    with jax.default_matmul_precision("highest"):
        whole = replace(job, phase=replace(job.phase, whole_support=True))
        downhill = jax.tree.map(jnp.negative, jax.grad(loss, argnums=1)(whole, job.init, job.key))
        moved = jax.tree.map(jnp.subtract, params, job.init)
        return {
            "tangent_displacement": _along(job, moved),
            "tangent_velocity": _along(job, downhill),
            "weight_distance": jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(moved)))[None],
        }


def _along(job: Job, direction: Params) -> Float[Array, "N"]:
    """∇l(y) · direction at θ0, for every string y of P."""
    strings = job.phase.base.strings
    number = strings.shape[0]
    chunks = -(-number // CHUNK)
    padded = jnp.concatenate([strings, strings[:1].repeat(chunks * CHUNK - number, axis=0)])

    def scored(params: Params) -> Float[Array, "K C"]:
        return jax.lax.map(lambda part: log_probs(job, params, part), padded.reshape(chunks, CHUNK, -1))

    return jax.jvp(scored, (job.init,), (direction,))[1].reshape(-1)[:number]


def log_probs(job: Job, params: Params, tokens: Tokens) -> Float[Array, "*B"]:
    """log q of every string, summed over the positions that the phase scores [nat]."""
    log_q = Bound(job.model, params, job.phase.data.prompt_end).next_log_probs(tokens)
    at_token = jnp.take_along_axis(log_q, tokens[..., None], axis=-1)[..., 0]
    return jnp.sum(jnp.where(context_of(job).loss_mask(tokens), at_token, 0.0), axis=-1)
