"""EWC: fine-tuning with a penalty of the diagonal of the Fisher information of the starting model."""

from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import NonNegative
from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import answers
from sim.objectives._parameters import HasParameters, parameters_of, penalised
from sim.objectives._tokens import Targets
from sim.typing import Array, Bool, Float, Int, Language, Number, Params, PRNGKey, Scalar

CHUNK = 32
"""Strings whose gradients exist at the same time."""

UNIT = "both"
"""What its loss is about, for the atlas: the next token, a whole answer, or both: its fit is cross-entropy."""

FAMILY = "start"
"""Its kind in the atlas: a penalty for leaving the model with which the stage began."""


@struct.dataclass
class Ewc:
    """-E_S log q + (strength/2) sum_i F_ii (theta_i - theta0_i)² [nat per string], elastic weight consolidation.

    F_ii = E_S(x) E_q0(y|x) (∂ log q0(y|x)/∂theta_i)² at theta0, the diagonal of the Fisher information of q0 for the
    prompts of S. It is computed once, when the stage begins, exactly by enumeration: every listed answer, and "outside"
    (everything else) as one more outcome. The sum is KL(q0‖q) to second order without the terms off the diagonal, see
    `sim.objectives.fisher` for the whole of it; so strength compares with the beta of `forward_kl_to_start`. strength 0
    is SFT. There is no optimum in closed form.
    Source: J. Kirkpatrick et al., 2017, "Overcoming catastrophic forgetting in neural networks", arXiv:1612.00796,
    equation 3. Public programs often take the gradients at the labels of the data and leave the factor 1/2 out; here
    the answers are those of q0, so F is the Fisher information itself.
    """

    strength: Annotated[Number, NonNegative] = 1.0
    targets: Targets = struct.field(pytree_node=False, default="exact")

    def begun(self, q0: Language, context: Context) -> "EwcBegun":
        """Return the objective with the diagonal of F."""
        return EwcBegun(self.strength, diagonal(parameters_of(q0, "q0"), context), self.targets)

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Raises ValueError: only `begun` has the Fisher information."""
        raise ValueError("ewc: an objective that has begun is required, found one without F; call begun(q0, context)")


@struct.dataclass
class EwcBegun:
    """`Ewc` with the diagonal of F, a tree like the parameters."""

    strength: Number
    fisher: Params
    targets: Targets = struct.field(pytree_node=False, default="exact")

    @property
    def is_additive(self) -> Literal[True]:
        """True: each part of a batch gets the share of the penalty that it has of the weights of the strings."""
        return True

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]."""
        del key
        return penalised(q, context, batch, self.targets, self.strength, self.fisher)


def diagonal(q0: HasParameters, context: Context) -> Params:
    """F_ii of every parameter [nat], a tree like the parameters; see `Ewc`. Not to be traced."""
    tokens, scored, weight = _outcomes(q0, context)
    share = np.asarray(weight)
    listed, size = len(tokens), CHUNK * -(-len(tokens) // CHUNK)
    filled = np.resize(np.arange(listed), size)  # further rows of weight 0 fill the last chunk
    own = np.where(np.arange(size) < listed, share[filled], 0.0)
    total = _of_listed(q0, np.asarray(tokens)[filled], np.asarray(scored)[filled], own.astype(share.dtype))
    for outcome in listed + np.flatnonzero(share[listed:] > 0):
        total = jax.tree.map(jnp.add, total, _of_outside(q0, context, np.int32(outcome), weight[outcome]))
    return total


@jax.jit
def _outcomes(q0: Any, context: Context) -> tuple[Int[Array, "N L"], Bool[Array, "N L"], Float[Array, "K"]]:
    """The listed strings, their scored tokens, and S(x) q0(y|x) of all outcomes."""
    every = answers(context)
    weight = jnp.where(every.weight > 0, every.weight * jnp.exp(every.log_law(q0)), 0.0)
    return every.tokens, every.scored, weight


@jax.jit
def _of_listed(q0: Any, tokens: Int[Array, "N L"], scored: Bool[Array, "N L"], weight: Float[Array, "N"]) -> Params:
    """The sum over strings of the weight times the squared gradient of log q0."""

    def log_prob(params: Params, row: Int[Array, "L"], mask: Bool[Array, "L"]) -> Scalar:
        log_next = q0.replace(params=params).next_log_probs(row[None])[0]
        at_token = jnp.take_along_axis(log_next, row[:, None], axis=-1)[:, 0]
        return jnp.sum(jnp.where(mask, at_token, 0.0))

    def add(total: Params, chunk: tuple[Array, Array, Array]) -> tuple[Params, None]:
        rows, masks, by = chunk
        each = jax.vmap(jax.grad(log_prob), (None, 0, 0))(q0.params, rows, masks)
        return jax.tree.map(lambda one, g: one + jnp.tensordot(by, g**2, axes=1), total, each), None

    chunks = jax.tree.map(lambda one: one.reshape(-1, CHUNK, *one.shape[1:]), (tokens, scored, weight))
    return jax.lax.scan(add, jax.tree.map(jnp.zeros_like, q0.params), chunks)[0]


@jax.jit
def _of_outside(q0: Any, context: Context, outcome: Int[Array, ""], weight: Scalar) -> Params:
    """The weight of "outside" at one prompt times the squared gradient of log q0(outside|x)."""
    every = answers(context)
    found = jax.grad(lambda params: every.log_law(q0.replace(params=params))[outcome])(q0.params)
    return jax.tree.map(lambda one: weight * one**2, found)


def label(*, strength: float = 1.0, **_: object) -> str:
    """Name the objective for people."""
    return f"EWC, strength {strength:g}"
