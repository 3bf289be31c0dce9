"""Direct preference optimisation with preferences from a known reward."""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import OpenFraction, Positive
from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import Answers, answers, prompts_of
from sim.theory import answer_optima as theory
from sim.theory.laws import Laws
from sim.typing import Array, Float, Language, Number, PRNGKey, Scalar

UNIT = "answer"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class Dpo:
    """-E log sigmoid(beta [h(y+) - h(y-)]), h = log q(y|x)/q_ref(y|x); prompts x come from S(x) [nat per pair].

    q_ref is the model with which the stage began. A pair is two independent draws from q_ref(.|x), given that the
    answer is listed. "Outside" never occurs in a pair. So the loss does not depend on q(outside|x), and only the law of
    listed answers has an optimum: the mass of all listed answers is left to the dynamics.
    labels: `bradley_terry` prefers y to y' with probability sigmoid(r(y) - r(y')); `hard` prefers the larger reward,
    and of equal ones each with probability 1/2. reward: `event` is r = 1_A; `log_ratio` is r = beta log(S_d/P) with
    S_d = (1 - delta) P(.|x, A) + delta P(.|x). pairs: `exact` sums over all N² pairs and uses no batch; `sampled` draws
    one labelled pair for every prompt of the batch.
    The expected loss of a pair is a cross-entropy of the label. It is smallest if beta [h(y) - h(y')] = r(y) - r(y'),
    and q* ∝ q_ref e^(r/beta) satisfies this for all pairs, also where rewards are equal. With `log_ratio` this is
    q_ref S_d/P for every beta, so S_d if q_ref = P. Hard labels have no optimum: q(y-) falls without limit.
    Source: R. Rafailov et al., 2023, "Direct preference optimization", arXiv:2305.18290, equations 4, 6 and 7.
    """

    beta: Annotated[Number, Positive] = 0.1
    delta: Annotated[Number, OpenFraction] = 0.01
    reward: Literal["event", "log_ratio"] = struct.field(pytree_node=False, default="event")
    labels: Literal["bradley_terry", "hard"] = struct.field(pytree_node=False, default="bradley_terry")
    pairs: Literal["exact", "sampled"] = struct.field(pytree_node=False, default="exact")

    @property
    def takes_reward(self) -> Literal[True]:
        """True, because A decides the preferences."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """Proportional to q_ref e^(r/beta) among listed answers; None for hard labels, which have no optimum."""
        if self.labels == "hard":
            return None
        gain = laws.event / float(self.beta)
        if self.reward == "log_ratio":
            gain = theory.log_ratio(laws.log_p, laws.event, float(self.delta), laws.prompt)
        return laws.documents(theory.tilted(laws.log_q0, gain, laws.prompt))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss of labelled pairs [nat per pair]."""
        every = answers(context)
        log_ref = every.listed(every.log_start(context))
        size = len(log_ref)
        margin = jnp.where(log_ref > -jnp.inf, every.listed(every.log_law(q)) - log_ref, 0.0)
        reward = self._reward(every, context)
        if self.pairs == "exact":
            mass = jax.ops.segment_sum(jnp.exp(log_ref), every.prompt[:size], len(every.prompt) - size)
            total = mass[every.prompt[:size]]
            law = jnp.where(total > 0, jnp.exp(log_ref) / jnp.where(total > 0, total, 1.0), 0.0)
            same = every.prompt[:size, None] == every.prompt[None, :size]
            weight = jnp.where(same, (every.weight[:size] * law)[:, None] * law[None, :], 0.0)
            wins = self._wins(reward[:, None] - reward[None, :])
            return jnp.sum(weight * _loss(jnp.asarray(self.beta * (margin[:, None] - margin[None, :])), wins))
        pair_key, label_key = jax.random.split(key)
        only_listed = jnp.concatenate([log_ref, jnp.full(len(every.prompt) - size, -jnp.inf)])
        one, other = every.draw(only_listed, prompts_of(context, batch.tokens), pair_key, 2)
        first = jax.random.bernoulli(label_key, self._wins(reward[one] - reward[other]))
        gap = jnp.asarray(self.beta * (margin[one] - margin[other]))
        return jnp.sum(batch.weight * _loss(gap, first.astype(margin.dtype)))

    def _reward(self, every: Answers, context: Context) -> Float[Array, "N"]:
        """r of every listed answer."""
        size = len(every.tokens)
        kept = every.rewards(context.event)[:size]
        if self.reward == "event":
            return kept.astype(context.base.probability.dtype)
        law = jnp.exp(every.log_law(context.base))
        kept_mass = every.of_prompt(jnp.where(every.rewards(context.event), law, 0.0))[:size]
        odds = jnp.where(kept & (kept_mass > 0), 1.0 / jnp.where(kept_mass > 0, kept_mass, 1.0), 0.0)
        return jnp.asarray(self.beta * jnp.log((1.0 - self.delta) * odds + self.delta))

    def _wins(self, gap: Array) -> Array:
        """The probability that the first answer of a pair is preferred, from its advantage in reward."""
        return jax.nn.sigmoid(gap) if self.labels == "bradley_terry" else 0.5 * (1.0 + jnp.sign(gap))


def _loss(gap: Array, wins: Array) -> Array:
    """-wins log sigmoid(gap) - (1 - wins) log sigmoid(-gap) [nat]."""
    return jax.nn.softplus(gap) - wins * gap


def label(
    *, beta: float = 0.1, reward: str = "event", labels: str = "bradley_terry", pairs: str = "exact", **_: object
) -> str:
    """Name the objective for people."""
    words = {"event": "reward 1 on A", "log_ratio": "reward β log(S_δ/P)", "bradley_terry": "Bradley–Terry labels"}
    return f"DPO, {words[reward]}, {words.get(labels, 'hard labels')}, {pairs} pairs, β = {beta:g}"
