"""What an objective may use, and the protocol that it satisfies."""

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.languages.device import Listed, alive
from sim.theory.laws import Laws
from sim.typing import Array, Bool, Flag, Float, Int, Language, NextLogProbs, PRNGKey, Scalar, Tokens

LossOn: TypeAlias = Literal["response", "document"]


@struct.dataclass
class Batch:
    """Strings and weights that sum to 1: a sample (weights 1/B), or a whole support (weights are probabilities)."""

    tokens: Int[Array, "B L"]
    weight: Float[Array, "B"]


@struct.dataclass
class Context:
    """What one training step may use. A part is None if the phase does not have it.

    data: the language from which batches are drawn; truth: the same language S, for its exact next-token laws; base:
    the pretraining language P; anchor: the frozen model from which the phase started (q0 for a fine-tuning); event: A
    as a mask over `base.strings`, for objectives with a reward; on_document: whether tokens of prompts are scored too
    (traced); whole_support: whether a batch is the whole support with its probabilities; is_even:
    whether a batch is a systematic sample, not strings that are drawn independently; step: the number of steps of the
    phase that are done (traced).
    """

    data: Listed
    truth: Listed
    base: Listed
    anchor: Language | None
    event: Bool[Array, "N"] | None
    on_document: Bool[Array, ""]
    whole_support: bool = struct.field(pytree_node=False)
    is_even: Flag = False  # a truth value of Python, unless it changes during the phase
    step: Int[Array, ""] | int = 0

    def loss_mask(self, tokens: Tokens) -> Bool[Array, "*B L"]:
        """Mask of the scored positions: up to and including EOS; without the prompt if the loss is on the response."""
        position = jnp.broadcast_to(jnp.arange(tokens.shape[-1]), tokens.shape)
        in_answer = position >= self.data.prompt_length(tokens)[..., None]
        return alive(tokens) & (in_answer | self.on_document)

    def draw(self, source: Listed, key: PRNGKey, batch_size: int) -> Batch:
        """Draw a batch of a language: its whole support with probabilities, or a fresh sample. The key is used up."""
        if self.whole_support:
            return Batch(source.strings, source.probability)

        def evenly() -> Tokens:
            return source.sample_evenly(key, batch_size)

        def independently() -> Tokens:
            return source.sample(key, (batch_size,))

        tokens = either(self.is_even, evenly, independently)
        return Batch(tokens, jnp.full(batch_size, 1.0 / batch_size))


@runtime_checkable
class Objective(Protocol):
    """A scalar to minimise [nat per string]. Objectives need no common base class."""

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss of `q` on one batch of `context.data` [nat per string]. The key is used up."""
        ...


@runtime_checkable
class Predicts(Objective, Protocol):
    """An objective with a predicted optimum. Without this method, or if it returns None, nothing is predicted."""

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """log q* of whole documents [nat], float64[N]: the minimiser over all laws; None if it is not known."""
        ...


@runtime_checkable
class Additive(Objective, Protocol):
    """An objective that can be summed over parts of a batch: its value on the batch is the sum over the parts.

    The weights of each part sum to less than 1.
    """

    @property
    def is_additive(self) -> Literal[True]:
        """Always True; it marks the objective as additive."""
        ...


def takes_exact_targets(objective: Objective, step: Int[Array, ""] | int = 0) -> Flag:
    """Return whether an objective has a field `targets` that is `exact`. Then its batches are systematic samples.

    Sampled targets stay independent, because a study of finite data is about their noise. If the objective also has a
    `switch` that is not None, it is the other way round from the step `switch` on, which is counted from 0. So batches
    are drawn as without a switch before it, and as with the other targets after it.
    """
    is_exact = getattr(objective, "targets", None) == "exact"
    switch = getattr(objective, "switch", None)
    return is_exact if switch is None else jnp.where(step < switch, is_exact, not is_exact)


def either(chosen: Flag, one: Callable[[], Array], other: Callable[[], Array]) -> Array:
    """Return `one()` if `chosen`, else `other()`. With a truth value of Python a program contains only one of them."""
    if isinstance(chosen, bool):
        return one() if chosen else other()
    found: Array = jax.lax.cond(chosen, one, other)
    return found


def cross_entropy(
    log_q: NextLogProbs, truth: Listed | None, tokens: Tokens, scored: Bool[Array, "*B L"]
) -> Float[Array, "*B"]:
    """Cross-entropy of next-token conditionals, summed over the scored positions of each string [nat per string].

    With `truth`, the target at every prefix h is its exact next-token law: sum_a S(a|h) (-log q(a|h)). Without it, the
    target is the next token of the string: -log q(x_t | x_<t). Tokens of target probability 0 contribute 0, even if
    log q is -inf.
    """
    if truth is None:
        at_token = -jnp.take_along_axis(log_q, tokens[..., None], axis=-1)[..., 0]
        return jnp.sum(jnp.where(scored, at_token, 0.0), axis=-1)
    target = jnp.exp(truth.next_log_probs(tokens))
    terms = target * jnp.where(target > 0, -log_q, 0.0)
    return jnp.sum(jnp.where(scored, jnp.sum(terms, axis=-1), 0.0), axis=-1)
