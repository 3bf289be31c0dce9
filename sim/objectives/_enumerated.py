"""Answers by enumeration: what objectives on whole strings share. They score every string of the trie at each step.

An *outcome* of a prompt x is one of its listed answers, or "outside" (⊥): everything else that a model may write. A law
of outcomes is an array with N + M + 1 numbers: the N strings of the trie, and then q(⊥|x) at the node where x ends
(other nodes have weight 0). If whole documents are scored, there is one prompt, the empty one, which ends at the root.
"""

from typing import Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import struct

from sim.languages.device import alive, walk
from sim.objectives._context import Context, Objective
from sim.typing import Array, Bool, Float, Int, Language, Number, PRNGKey, Scalar, Tokens


@runtime_checkable
class TakesReward(Objective, Protocol):
    """An objective with a reward, `context.event`. Its controls get reward 1 everywhere, so nothing is to be gained."""

    @property
    def takes_reward(self) -> Literal[True]:
        """Always True; it marks the objective as one with a reward."""
        ...


@struct.dataclass
class Answers:
    """The outcomes of every prompt (see above), and the weight of the prompts. K = N + M + 1 is their number.

    Prompts have the weights S(x), so a prompt that S never shows has weight 0, and gives no gradient.
    """

    tokens: Int[Array, "N L"]
    scored: Bool[Array, "N L"]
    prompt: Int[Array, "K"]  # the node at which the prompt of an outcome ends
    weight: Float[Array, "K"]  # S(x)
    number: Float[Array, "K"]  # n_x, the number of listed answers
    exits: Bool[Array, "N L V"]  # the tokens with which a string leaves the list
    repeats: Float[Array, "N L"]  # the number of listed strings that share a node

    def log_law(self, language: Language) -> Float[Array, "K"]:
        """log q(y|x) of all outcomes [nat].

        q(⊥|x) is the sum over nodes h of q(h|x) times the mass of the tokens that leave the list at h. This equals
        1 - sum of q(y|x), but nothing cancels: in float32 it has a relative error of about 1e-6, however small it is.
        Below 1e-38 it is 0, and then it has no gradient. It is 0 for a model that cannot leave the list.
        """
        log_next = language.next_log_probs(self.tokens)
        at_token = jnp.take_along_axis(log_next, self.tokens[..., None], axis=-1)[..., 0]
        upto = jnp.cumsum(jnp.where(self.scored, at_token, 0.0), axis=-1)
        before = jnp.concatenate([jnp.zeros_like(upto[:, :1]), upto[:, :-1]], axis=-1)
        leak = jnp.sum(jnp.where(self.exits, jnp.exp(log_next), 0.0), axis=-1)
        listed = len(self.tokens)
        left = jnp.sum(jnp.exp(before) * leak / self.repeats, axis=-1)
        off = jax.ops.segment_sum(left, self.prompt[:listed], len(self.prompt) - listed)
        log_off = jnp.where(off > 0, jnp.log(jnp.where(off > 0, off, 1.0)), -jnp.inf)
        return jnp.concatenate([upto[:, -1], log_off])

    def log_start(self, context: Context) -> Float[Array, "K"]:
        """log q0(y|x) of all outcomes [nat], q0 the model with which the phase began. It has no gradient."""
        if context.anchor is None:
            raise ValueError("anchor: the model with which the phase began is required for this objective, found none")
        return jax.lax.stop_gradient(self.log_law(context.anchor))

    def listed(self, values: Float[Array, "K"]) -> Float[Array, "N"]:
        """The part of an array that belongs to listed answers."""
        return values[: len(self.tokens)]

    def of_prompt(self, values: Float[Array, "K"]) -> Float[Array, "K"]:
        """The sum of an array over the outcomes of a prompt, at each of its outcomes."""
        return jax.ops.segment_sum(values, self.prompt, len(self.prompt) - len(self.tokens))[self.prompt]

    def mean(self, terms: Float[Array, "K"]) -> Scalar:
        """The mean over prompts x from S(x) of sums over the outcomes of x."""
        return jnp.sum(jnp.where(self.weight > 0, self.weight * terms, 0.0))

    def smoothed(self, log_s: Float[Array, "K"], share: Number) -> Float[Array, "K"]:
        """log of S~ = (1 - share) S + share U [nat]; U is uniform over the n_x listed answers to x and "outside"."""
        return jnp.log((1.0 - share) * jnp.exp(log_s) + share / (self.number + 1.0))

    def rewards(self, event: Bool[Array, "N"] | None) -> Bool[Array, "K"]:
        """Which outcomes have reward 1. "Outside" has reward 0, unless A holds every listed string: then it has 1."""
        if event is None:
            raise ValueError("event: an event A is required for an objective with a reward, found none; give Phase one")
        outside = jnp.full(len(self.prompt) - len(self.tokens), jnp.all(event))
        return jnp.concatenate([event, outside])

    def draw(
        self, log_law: Float[Array, "K"], prompts: Int[Array, "B"], key: PRNGKey, times: int = 1
    ) -> Int[Array, "G B"]:
        """Draw outcomes of each prompt, `times` of them, independently from a law: their indices. The key is used up.

        The law need not be normalised. It must be positive for some outcome of each prompt.
        """
        own = self.prompt[None, :] == prompts[:, None]
        logits = jnp.where(own, jax.lax.stop_gradient(log_law)[None, :], -jnp.inf)
        return jax.random.categorical(key, logits, axis=-1, shape=(times, len(prompts)))


def answers(context: Context) -> Answers:
    """Return the outcomes of all prompts of the base language, with the prompt law of S."""
    base = context.base
    tokens, node = base.strings, walk(base.next_node, base.strings)
    size = base.next_node.shape[0]
    prompt, scored = prompts_of(context, tokens), context.loss_mask(tokens)
    taken = jnp.zeros(base.next_node.shape, bool).at[node, tokens].max(alive(tokens))
    repeats = jax.ops.segment_sum(jnp.ones(node.size), node.ravel(), size)
    outcome = jnp.concatenate([prompt, jnp.arange(size)])
    weight = jax.ops.segment_sum(context.truth.probability, prompt, size)
    number = jax.ops.segment_sum(jnp.ones(len(prompt)), prompt, size)
    exits = ~taken[node] & scored[..., None]
    return Answers(tokens, scored, outcome, weight[outcome], number[outcome], exits, repeats[node])


def prompts_of(context: Context, tokens: Tokens) -> Int[Array, "B"]:
    """The node at which the prompt of each string ends; the root if whole documents are scored."""
    base = context.base
    length = jnp.minimum(base.prompt_length(tokens), tokens.shape[-1] - 1)
    end = jnp.take_along_axis(walk(base.next_node, tokens), length[..., None], axis=-1)[..., 0]
    return jnp.where(context.on_document, 0, end)


def divergence(log_p: Float[Array, "K"], log_q: Float[Array, "K"]) -> Float[Array, "K"]:
    """p log(p/q) - p + q of every outcome [nat], with 0 log 0 = 0. Their sum over the outcomes of a prompt is KL(p‖q).

    In this form every term is at least 0, and its gradient is exactly 0 where p = q, so nothing cancels.
    """
    p, q = jnp.exp(log_p), jnp.exp(log_q)
    ratio = jnp.where(p > 0, log_p, 0.0) - jnp.where(p > 0, log_q, 0.0)
    return jnp.where(p > 0, p * ratio, 0.0) - p + q


def surprisal(log_p: Float[Array, "K"], log_q: Float[Array, "K"]) -> Float[Array, "K"]:
    """-p log q of every outcome [nat], 0 where p is 0. Their sum over the outcomes of a prompt is the cross-entropy."""
    p = jnp.exp(log_p)
    return jnp.where(p > 0, p * -jnp.where(p > 0, log_q, 0.0), 0.0)
