"""Fine-tuning with replay of pretraining data."""

from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import Fraction
from sim.objectives._context import Batch, Context, cross_entropy
from sim.theory import optima
from sim.theory.laws import Laws
from sim.typing import Language, Number, PRNGKey, Scalar

UNIT = "both"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class Replay:
    """Cross-entropy on (1 - weight) S + weight P [nat per string]. `weight` is lambda, the share of replayed strings.

    The predicted optimum is q* = (1 - lambda) S + lambda P, for strings and for tokens. If S = P_A, its forgetting is
    KL(P||q*) = -P(B) log lambda - P(A) log(lambda + (1 - lambda)/P(A)) <= -log lambda.
    A step scores one batch of S and one batch of P, and adds the two losses with the weights 1 - lambda and lambda. The
    expectation of this sum is the cross-entropy on the mixture.
    """

    weight: Annotated[Number, Fraction]
    targets: Literal["exact", "sampled"] = struct.field(pytree_node=False, default="exact")

    def optimum(self, laws: Laws) -> np.ndarray:
        """q* = (1 - lambda) S + lambda P."""
        return optima.replay(laws.log_s, laws.log_p, float(self.weight))

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch of S and an equally large batch of P [nat per string]."""
        replayed = context.draw(context.base, key, batch.tokens.shape[0])
        tokens = jnp.concatenate([batch.tokens, replayed.tokens])
        scored, log_q = context.loss_mask(tokens), q.next_log_probs(tokens)
        cut = batch.tokens.shape[0]
        exact = self.targets == "exact"
        own = cross_entropy(log_q[:cut], context.truth if exact else None, batch.tokens, scored[:cut])
        old = cross_entropy(log_q[cut:], context.base if exact else None, replayed.tokens, scored[cut:])
        kept, again = jnp.sum(batch.weight * own), jnp.sum(replayed.weight * old)
        return jnp.asarray((1.0 - self.weight) * kept + self.weight * again)


def label(*, weight: float, **_: object) -> str:
    """Name the objective for people."""
    return f"replay, λ = {weight:g}"
