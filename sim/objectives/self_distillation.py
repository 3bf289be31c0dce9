"""Self-distillation: the next-token laws of the starting model, given that its answer is kept, as targets."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.languages.device import walk
from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import Answers, answers, prompts_of
from sim.objectives.rejection import Rejection
from sim.theory.laws import Laws
from sim.typing import Array, Float, Int, Language, NextLogProbs, PRNGKey, Scalar

UNIT = "both"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum."""


@struct.dataclass
class SelfDistillation:
    """-sum_a q0(a|h, A) log q(a|h), summed over the prefixes h of answers from q0(.|x, A) [nat per string].

    q0 is the model with which the stage began. A step takes the prompts x of a batch of S, and draws one answer of q0
    to each that is in A; with the whole support it uses all of them, with their probabilities. The target at every
    prefix is the whole next-token law of q0 given A, and not the token that was drawn: that is the difference from
    `sim.objectives.rejection`, which has the same optimum, q0(.|x, A), for strings and for tokens. The proportions of
    kept answers are those of q0. Where A holds every string (in a control), the target is q0 itself, and nothing is to
    be learned. Prompts to which q0 gives no answer in A count nothing.
    """

    @property
    def takes_reward(self) -> Literal[True]:
        """True, because A decides what is kept."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """q* = q0(.|x, A)."""
        return Rejection().optimum(laws)

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Cross-entropy to the laws of the starting model [nat per string]."""
        every, size = answers(context), len(context.base.strings)
        kept = every.rewards(context.event)
        outside = jnp.full(len(every.prompt) - size, -jnp.inf)
        log_kept = jnp.concatenate([jnp.where(kept, every.log_start(context), -jnp.inf)[:size], outside])
        mass = every.of_prompt(jnp.exp(log_kept))
        if context.whole_support:
            rows, share = jnp.arange(size), jnp.exp(log_kept) / jnp.where(mass > 0, mass, 1.0)
            weight = (every.weight * share)[:size]
        else:
            rows = every.draw(log_kept, prompts_of(context, batch.tokens), key)[0]
            weight = jnp.where(mass[rows] > 0, batch.weight, 0.0)
        target = _teacher(every, context, log_kept[:size])[walk(context.base.next_node, every.tokens[rows])]
        own = jnp.exp(_start(context, every.tokens[rows]))
        target = jnp.where(jnp.all(kept), own, target)
        log_q = q.next_log_probs(every.tokens[rows])
        missed = jnp.sum(jnp.where(target > 0, target * -jnp.where(target > 0, log_q, 0.0), 0.0), axis=-1)
        return jnp.sum(weight * jnp.sum(jnp.where(every.scored[rows], missed, 0.0), axis=-1))


def _start(context: Context, tokens: Int[Array, "B L"]) -> NextLogProbs:
    """log q0(. | x_<t) [nat], without a gradient."""
    if context.anchor is None:
        raise ValueError("anchor: the model with which the phase began is required for this objective, found none")
    return jax.lax.stop_gradient(context.anchor.next_log_probs(tokens))


def _teacher(every: Answers, context: Context, log_kept: Float[Array, "N"]) -> Float[Array, "M1 V"]:
    """q0(a|h, A) at every node h of the trie, from log q0(y|x) of the kept answers; 0 where no kept answer goes."""
    base = context.base
    nodes, width = base.next_node.shape
    flat = (walk(base.next_node, every.tokens) * width + every.tokens).ravel()
    each = jnp.where(every.scored, jnp.exp(log_kept)[:, None], 0.0).ravel()
    table = jax.ops.segment_sum(each, flat, nodes * width).reshape(nodes, width)
    total = jnp.sum(table, axis=-1, keepdims=True)
    return table / jnp.where(total > 0, total, 1.0)


def label(**_: object) -> str:
    """Name the objective for people."""
    return "self-distillation of q₀ given A"
