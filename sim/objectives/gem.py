"""GEM: cross-entropy in which the model is compared with itself at another temperature."""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import Positive
from sim.objectives._context import Batch, Context
from sim.objectives._tokens import Targets, finite, token_loss
from sim.theory import token_optima
from sim.theory.laws import Laws
from sim.typing import Language, NextLogProbs, Number, PRNGKey, Scalar

SCALE = 0.01
"""Factor of the difference of logits in the weights of the log-sigmoid form, as in the authors' program."""

UNIT = "token"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class Gem:
    """-sum_b w_b q_beta(b) [log q(a) - log q(b)] for the next token a [nat per string]; q_beta ∝ q^(1/beta).

    q_beta and the weights w have no gradient. h: with `linear`, w = 1. The gradient with respect to the logits z is
    softmax(z/beta) - onehot(a), which is beta times that of cross-entropy at the logits z/beta. So the optimum at every
    prefix of S is proportional to S(.|h)^beta: the model is trained at the temperature beta, and speaks at 1. beta < 1
    flattens, beta > 1 sharpens, beta = 1 is SFT. With `log_sigmoid`, w_b = sigmoid(0.01 (z_b - z_a)), and no optimum is
    known in closed form; w is nearly 1/2, so it is close to that of `linear`.
    Source: Z. Li et al., 2024, "Preserving diversity in supervised fine-tuning of large language models",
    arXiv:2408.16673; the weights as in the authors' program.
    """

    beta: Annotated[Number, Positive] = 0.7
    h: Literal["linear", "log_sigmoid"] = struct.field(pytree_node=False, default="linear")
    targets: Targets = struct.field(pytree_node=False, default="exact")

    @property
    def is_additive(self) -> Literal[True]:
        """True, because the loss is a weighted sum over strings."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """The product of S(.|h)^beta, normalised at every prefix; None for `log_sigmoid`."""
        if self.h != "linear":
            return None
        return token_optima.of_answers(laws, lambda s, _: token_optima.powered(s, float(self.beta)))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]; only its gradient has a meaning."""
        del key

        def loss(log_q: NextLogProbs) -> NextLogProbs:
            tempered = jax.lax.stop_gradient(jax.nn.softmax(log_q / self.beta, axis=-1))
            if self.h == "linear":
                return jnp.sum(tempered * finite(log_q), axis=-1, keepdims=True) - log_q
            known = finite(log_q)
            gap = known[..., None, :] - known[..., :, None]  # [..., a, b]: log q(b) - log q(a)
            weight = tempered[..., None, :] * jax.lax.stop_gradient(jax.nn.sigmoid(SCALE * gap))
            return jnp.sum(weight * gap, axis=-1)

        return token_loss(q, context, batch, self.targets, loss)


def label(*, beta: float = 0.7, h: str = "linear", **_: object) -> str:
    """Name the objective for people."""
    return f"GEM, {h.replace('_', '-')}, β = {beta:g}"
