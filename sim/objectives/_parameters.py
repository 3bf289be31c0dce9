"""Penalties on parameters: what objectives share that look at the distance of a model from where its stage began."""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from sim.objectives._context import Batch, Context, Objective
from sim.objectives._tokens import Targets, token_loss
from sim.typing import Language, Number, Params, PyTree, Scalar


@runtime_checkable
class HasParameters(Language, Protocol):
    """A language that is a model with parameters."""

    @property
    def model(self) -> Any:
        """The model without its parameters."""
        ...

    @property
    def params(self) -> Params:
        """theta."""
        ...


@runtime_checkable
class Begins(Objective, Protocol):
    """An objective that computes something of the starting model once, before the first step of a stage."""

    def begun(self, q0: Language, context: Context) -> Objective:
        """Return the objective of the steps. It is called outside of compiled programs."""
        ...


def parameters_of(language: Language | None, place: str) -> HasParameters:
    """Return a model with its parameters. Raises ValueError, with the place, for any other language."""
    if not isinstance(language, HasParameters):
        found = "none" if language is None else type(language).__name__
        raise ValueError(f"{place}: a model with parameters is required for this objective, found {found}")
    return language


def change(q: Language, context: Context) -> Params:
    """theta - theta0 of every parameter. Where theta0 is -inf (an impossible token) it is 0."""
    now, start = parameters_of(q, "q").params, parameters_of(context.anchor, "anchor").params

    def moved(theta: jax.Array, begin: jax.Array) -> jax.Array:
        known = begin > -jnp.inf
        return jnp.where(known, jnp.where(known, theta, 0.0) - jnp.where(known, begin, 0.0), 0.0)

    return jax.tree.map(moved, now, jax.lax.stop_gradient(start))


def squared(tree: PyTree, weight: PyTree | None = None) -> Scalar:
    """The sum over all parameters of their squares, each with its weight; 1 without weights."""
    if weight is None:
        return jax.tree.reduce(jnp.add, jax.tree.map(lambda one: jnp.sum(one**2), tree))
    return jax.tree.reduce(jnp.add, jax.tree.map(lambda one, by: jnp.sum(by * one**2), tree, weight))


def penalised(
    q: Language, context: Context, batch: Batch, targets: Targets, strength: Number, weight: PyTree | None = None
) -> Scalar:
    """-E_S log q + (strength/2) sum_i w_i (theta_i - theta0_i)² on one batch [nat per string]; w_i = 1 without weights.

    It is additive: each part of a batch gets the share of the penalty that it has of the weights of the strings.
    """
    fit = token_loss(q, context, batch, targets, lambda log_q: -log_q)
    return jnp.asarray(fit + jnp.sum(batch.weight) * 0.5 * strength * squared(change(q, context), weight))
