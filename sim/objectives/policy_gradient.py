"""Reinforcement learning with the reward 1_A and a penalty of KL to the model with which the stage began."""

from dataclasses import replace
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import AtLeast, NonNegative
from sim.objectives._context import Batch, Context
from sim.objectives._enumerated import Answers, answers, divergence, prompts_of
from sim.theory import answer_optima as theory
from sim.theory.laws import Laws
from sim.typing import Array, Float, Language, Number, PRNGKey, Scalar

EPSILON = 1e-4
"""What is added to the standard deviation of the rewards of a group, which may be 0."""

UNIT = "answer"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class PolicyGradient:
    """-E_q[1_A] + beta KL(q‖q0), the mean over prompts x from S(x) [per string]; its descent is policy gradient ascent.

    q0 is the frozen model with which the stage began. The outcome "outside" (what is not listed) has reward 0.
    estimator: `exact` sums over all outcomes, and uses no batch. The others take the prompts of the batch, draw answers
    from the enumerated law q(.|x) itself, so they are on-policy, and have the gradient of the score function,
    E[advantage * grad log q(y|x)]. `reinforce` draws one answer, and its advantage is the reward: it is unbiased.
    `group` draws `group_size` answers. The advantage is the reward less the mean of the group, divided by the group's
    standard deviation (of the G rewards, divisor G) plus 1e-4: it has another expectation. For one step on fresh
    answers, ratios of probabilities are 1, and clipping has no effect. The KL is exact for all estimators, over the
    prompts that the estimator uses.
    The optimum for beta > 0 is proportional to q0 e^(1_A/beta): q*(A) = q0(A) e^(1/beta) / (q0(A) e^(1/beta) + q0(B)),
    B with the outside; inside A and inside B ratios are those of q0. `optimum` is q* given that the answer is listed.
    For beta = 0 every q with q(A) = 1 is an optimum, and the dynamics decide. A group has no known optimum.
    Source: R. Williams, 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement
    learning", equation 11; Z. Shao et al., 2024, "DeepSeekMath", arXiv:2402.03300, section 4.1.2 (outcome rewards).
    """

    beta: Annotated[Number, NonNegative] = 0.1
    estimator: Literal["exact", "reinforce", "group"] = struct.field(pytree_node=False, default="exact")
    group_size: Annotated[int, AtLeast(2)] = struct.field(pytree_node=False, default=8)

    @property
    def takes_reward(self) -> Literal[True]:
        """True, because A is the reward."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """Proportional to q0 e^(1_A/beta); None for beta = 0, and for groups, whose expected gradient is another."""
        if not self.beta or self.estimator == "group":
            return None
        return laws.documents(theory.tilted(laws.log_q0, laws.event / float(self.beta), laws.prompt))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """The negative of reward less penalty [1 per string]. Estimators have the value of their sample."""
        every = answers(context)
        log_q, rewarded = every.log_law(q), every.rewards(context.event)
        penalty = divergence(log_q, every.log_start(context))
        if self.estimator == "exact":
            # E_q[1_A] = 1 - q(not A). In this form the gradient is exactly 0 if the reward is 1 everywhere.
            missed = every.mean(jnp.where(rewarded, 0.0, jnp.exp(log_q)))
            return jnp.asarray(missed - 1.0 + self.beta * every.mean(penalty))
        prompts = prompts_of(context, batch.tokens)
        shown = jax.ops.segment_sum(batch.weight, prompts, len(every.prompt) - len(every.tokens))
        own = replace(every, weight=shown[every.prompt])
        gained = self._gained(own, log_q, rewarded.astype(log_q.dtype), batch.weight, prompts, key)
        return jnp.asarray(self.beta * own.mean(penalty) - gained)

    def _gained(
        self,
        every: Answers,
        log_q: Float[Array, "K"],
        reward: Float[Array, "K"],
        weight: Float[Array, "B"],
        prompts: Array,
        key: PRNGKey,
    ) -> Scalar:
        """Return the mean reward of the answers that are drawn, with the gradient of the score function."""
        is_group = self.estimator == "group"
        drawn = every.draw(log_q, prompts, key, self.group_size if is_group else 1)
        advantage = gained = reward[drawn]
        if is_group:
            spread = jnp.std(gained, axis=0, keepdims=True) + EPSILON
            advantage = (gained - jnp.mean(gained, axis=0, keepdims=True)) / spread
        score = log_q[drawn] - jax.lax.stop_gradient(log_q[drawn])  # 0, with the gradient of log q
        return jnp.sum(weight * jnp.mean(gained + advantage * score, axis=0))


def label(*, beta: float = 0.1, estimator: str = "exact", group_size: int = 8, **_: object) -> str:
    """Name the objective for people."""
    how = {"exact": "exact", "reinforce": "REINFORCE"}.get(estimator, f"groups of {group_size}")
    return f"policy gradient, {how}, β = {beta:g}"
