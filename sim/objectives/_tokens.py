"""Losses of next-token laws: what objectives on tokens share. They score the prefixes of the strings of a batch."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import jax.numpy as jnp

from sim.objectives._context import Batch, Context
from sim.typing import Array, Bool, Float, Language, NextLogProbs, Scalar

Targets: TypeAlias = Literal["exact", "sampled"]
"""exact: the expectation over the next token from S, at each visited prefix; sampled: the token that was drawn."""

Loss: TypeAlias = Callable[[NextLogProbs], Float[Array, "B L V"]]
"""From log q(.|h) [nat] to the loss if a is the next token, for every token a."""


def token_loss(q: Language, context: Context, batch: Batch, targets: Targets, loss: Loss, skipped: int = 0) -> Scalar:
    """The mean over a batch of the losses of the scored tokens, summed over each string [per string].

    Tokens that S never takes after a prefix count 0, even where their loss is infinite. The first `skipped` scored
    tokens of every string are left out.
    """
    return loss_of(q.next_log_probs(batch.tokens), context, batch, targets, loss, skipped)


def loss_of(
    log_q: NextLogProbs, context: Context, batch: Batch, targets: Targets, loss: Loss, skipped: int = 0
) -> Scalar:
    """`token_loss` of next-token laws that are given, log q(.|h) [nat] at every position of the batch."""
    scored, values = scored_after(context, batch, skipped), loss(log_q)
    if targets == "exact":
        target = jnp.exp(context.truth.next_log_probs(batch.tokens))
        at_prefix = jnp.sum(target * jnp.where(target > 0, values, 0.0), axis=-1)
    else:
        at_prefix = jnp.take_along_axis(values, batch.tokens[..., None], axis=-1)[..., 0]
    return mean(batch, scored, at_prefix)


def scored_after(context: Context, batch: Batch, skipped: int = 0) -> Bool[Array, "B L"]:
    """Mask of the scored positions of a batch without the first `skipped` of every string."""
    scored = context.loss_mask(batch.tokens)
    return scored & (jnp.cumsum(scored, axis=-1) > skipped)


def mean(batch: Batch, scored: Bool[Array, "B L"], values: Float[Array, "B L"]) -> Scalar:
    """The mean over a batch of values, summed over the scored positions of each string."""
    return jnp.sum(batch.weight * jnp.sum(jnp.where(scored, values, 0.0), axis=-1))


def finite(log_q: Float[Array, "*S"]) -> Float[Array, "*S"]:
    """log q [nat] with 0 in the place of -inf, for products with q = 0: they are 0, and so is their gradient."""
    return jnp.where(log_q > -jnp.inf, log_q, 0.0)
