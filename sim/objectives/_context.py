"""What an objective may look at, and the protocol it satisfies."""

from typing import Literal, Protocol, TypeAlias, runtime_checkable

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.languages.device import Listed, alive
from sim.theory.laws import Laws
from sim.typing import Array, Bool, Float, Int, Language, NextLogProbs, PRNGKey, Scalar, Tokens

LossOn: TypeAlias = Literal["response", "document"]


@struct.dataclass
class Batch:
    """Strings with weights that sum to 1: a sample (weights 1/B) or a whole support (weights are probabilities)."""

    tokens: Int[Array, "B L"]
    weight: Float[Array, "B"]


@struct.dataclass
class Context:
    """The world around one training step; None where the world has no such thing.

    data: the source batches come from; truth: the same language S exactly, for exact targets; base: the pretraining
    language P; anchor: the frozen model q0 the phase started from; event: A as a mask over `base.strings`, for
    objectives with a reward; loss_on: whether prompts are scored.
    """

    data: Listed
    truth: Listed
    base: Listed
    anchor: Language | None
    event: Bool[Array, "N"] | None
    loss_on: LossOn = struct.field(pytree_node=False)
    whole_support: bool = struct.field(pytree_node=False)

    def loss_mask(self, tokens: Tokens) -> Bool[Array, "*B L"]:
        """The scored positions: up to and including EOS and, where the loss is on the response, past the prompt."""
        scored = alive(tokens)
        if self.loss_on == "response":
            position = jnp.broadcast_to(jnp.arange(tokens.shape[-1]), tokens.shape)
            scored &= position >= self.data.prompt_length(tokens)[..., None]
        return scored

    def draw(self, source: Listed, key: PRNGKey, batch_size: int) -> Batch:
        """A batch of a language: its whole support with its probabilities, or a fresh sample; the key is consumed."""
        if self.whole_support:
            return Batch(source.strings, source.probability)
        tokens = source.sample(key, (batch_size,))
        return Batch(tokens, jnp.full(batch_size, 1.0 / batch_size))


@runtime_checkable
class Objective(Protocol):
    """A scalar to minimise [nat per string]. No class has to be inherited from."""

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """The loss of `q` on one batch of `context.data`; the key is consumed."""
        ...


@runtime_checkable
class Predicts(Objective, Protocol):
    """An objective whose optimum theory predicts. One without this method, or that returns None, predicts nothing."""

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """log q* of whole documents [nat], float64[N], the minimiser over all laws; None where none is known."""
        ...


@runtime_checkable
class Additive(Objective, Protocol):
    """An objective whose value on a batch is the sum of its values on parts of it, whose weights sum to less than 1."""

    @property
    def is_additive(self) -> Literal[True]:
        """Says so."""
        ...


def cross_entropy(
    log_q: NextLogProbs, truth: Listed | None, tokens: Tokens, scored: Bool[Array, "*B L"]
) -> Float[Array, "*B"]:
    """Cross-entropy of a string's next-token conditionals, summed over its scored positions [nat per string].

    With `truth` the target at every prefix is its exact next-token law, sum_a S(a|h) (-log q(a|h)); without, the token
    that follows in the string, -log q(x_t | x_<t). Tokens of target probability 0 contribute 0, whatever log q is.
    """
    if truth is None:
        at_token = -jnp.take_along_axis(log_q, tokens[..., None], axis=-1)[..., 0]
        return jnp.sum(jnp.where(scored, at_token, 0.0), axis=-1)
    target = jnp.exp(truth.next_log_probs(tokens))
    terms = target * jnp.where(target > 0, -log_q, 0.0)
    return jnp.sum(jnp.where(scored, jnp.sum(terms, axis=-1), 0.0), axis=-1)
