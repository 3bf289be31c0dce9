"""TOFU: the tempered focal loss."""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import Check, NonNegative
from sim.objectives._context import Batch, Context
from sim.objectives._tokens import Targets, finite, token_loss
from sim.theory import token_optima
from sim.theory.laws import Laws
from sim.typing import Language, NextLogProbs, Number, PRNGKey, Scalar

UpToOne = Check("a number from 0 to 1, 0 excluded,", lambda value: 0 < value <= 1)


UNIT = "token"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum."""


@struct.dataclass
class Tofu:
    """-sg(g(q_a)) beta log q_beta(a) for the next token a [nat per string], with q_beta ∝ q^(1/beta).

    g(q) = (1 - q)^gamma - gamma q (1 - q)^(gamma - 1) log q is the slope of the focal loss over that of cross-entropy.
    It has no gradient (sg). So the gradient with respect to the logits z is g(q_a) [softmax(z/beta) - onehot(a)]: that
    of the focal loss where its law is compared at the temperature beta. gamma = 0 is GEM with a linear h, and beta = 1
    has the gradient of the focal loss. The loss has no minimum as a function, because g is held; its gradient is 0 only
    where S(a|h) g(q_a)/q_a^(1/beta) is the same for all tokens a of S. `optimum` is that law.
    Source: R. Klypa and O. Cherednichenko, 2026, "Diversity in large language models under supervised fine-tuning",
    arXiv:2605.00195; the formula and the defaults are those of the authors' program.
    """

    gamma: Annotated[Number, NonNegative] = 3.0
    beta: Annotated[Number, UpToOne] = 0.8
    targets: Targets = struct.field(pytree_node=False, default="exact")

    @property
    def is_additive(self) -> Literal[True]:
        """True, because the loss is a weighted sum over strings."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """The law with S(a|h) g(q_a)/q_a^(1/beta) constant at every prefix."""
        gamma, beta = float(self.gamma), float(self.beta)
        return token_optima.of_answers(laws, lambda s, _: token_optima.tempered_focal(s, gamma, beta))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]; only its gradient has a meaning."""
        del key

        def loss(log_q: NextLogProbs) -> NextLogProbs:
            tempered = jax.nn.log_softmax(log_q / self.beta, axis=-1)
            weight = jax.lax.stop_gradient(_weight(log_q, self.gamma))
            return -weight * self.beta * finite(tempered)

        return token_loss(q, context, batch, self.targets, loss)


def _weight(log_q: NextLogProbs, gamma: Number) -> NextLogProbs:
    """g(q) from log q; 0 at q = 1, and where q = 0, which S does not show."""
    rest = -jnp.expm1(log_q)
    inside = (rest > 0) & (log_q > -jnp.inf)
    left, known = jnp.where(inside, rest, 1.0), finite(log_q)
    return jnp.where(inside, left**gamma - gamma * jnp.exp(known) * left ** (gamma - 1.0) * known, 0.0)


def label(*, gamma: float = 3.0, beta: float = 0.8, **_: object) -> str:
    """Name the objective for people."""
    return f"TOFU, γ = {gamma:g}, β = {beta:g}"
