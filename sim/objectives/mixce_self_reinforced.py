"""MixCE in the form that its authors train: tokens are weighted by the model's own probability."""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import Fraction
from sim.objectives._context import Batch, Context
from sim.objectives._tokens import Targets, finite, token_loss
from sim.theory import token_optima
from sim.theory.laws import Laws
from sim.typing import Language, NextLogProbs, Number, PRNGKey, Scalar

UNIT = "token"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum."""


@struct.dataclass
class MixceSelfReinforced:
    """-[eta + (1 - eta) sg(q(a|h))] log q(a|h) for the next token a of the prefix h [nat per string].

    The second weight takes the place of the reverse cross-entropy, which needs the law of the data; sg holds it without
    a gradient. As sg(q) ∇ log q = ∇q, the gradient is that of -eta E_S log q - (1 - eta) E_S q, which is convex. So the
    optimum at every prefix of S is eta S/(nu - (1 - eta) S), nu from the normalisation: sharper than S for eta < 1.
    eta = 1 is SFT, and eta = 0 is dynamic fine-tuning (`sim.objectives.dft`), whose optimum is the greedy path.
    Source: S. Zhang et al., 2023, "MixCE: training autoregressive language models by mixing forward and reverse
    cross-entropies", arXiv:2305.16958; the weights are those of the authors' program.
    """

    eta: Annotated[Number, Fraction] = 0.5
    targets: Targets = struct.field(pytree_node=False, default="exact")

    @property
    def is_additive(self) -> Literal[True]:
        """True, because the loss is a weighted sum over strings."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """The product of eta S/(nu - (1 - eta) S); for eta = 0 the greedy path, if it is one."""
        if not self.eta:
            return token_optima.of_answers(laws, lambda s, _: token_optima.greedy(s))
        return token_optima.of_answers(laws, lambda s, _: token_optima.reinforced(s, float(self.eta)))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]; only its gradient has a meaning."""
        del key

        def loss(log_q: NextLogProbs) -> NextLogProbs:
            weight = self.eta + (1.0 - self.eta) * jax.lax.stop_gradient(jnp.exp(log_q))
            return jnp.asarray(-weight * finite(log_q))

        return token_loss(q, context, batch, self.targets, loss)


def label(*, eta: float = 0.5, **_: object) -> str:
    """Name the objective for people."""
    return f"MixCE, self-reinforced, η = {eta:g}"
