"""Annotation anchoring: the first tokens of an answer, which say its kind, are not trained."""

from typing import Annotated, Literal

import numpy as np
from flax import struct

from sim.config import AtLeast
from sim.objectives._context import Batch, Context
from sim.objectives._tokens import Targets, token_loss
from sim.theory import token_optima
from sim.theory.laws import Laws
from sim.typing import Language, PRNGKey, Scalar

UNIT = "token"
"""What its loss is about, for the atlas: the next token, a whole answer, or both, which have one optimum (T1)."""


@struct.dataclass
class Annotation:
    """-E_S log q(y|x, z) [nat per string]: cross-entropy without the first `tokens` tokens z of every answer.

    If these tokens say which style an answer has, a table keeps q0(z|x) and learns S(y|x, z). So the optimum of the
    trie table is q0(z|x) S(y|x, z), and q0(z|x) q0(y|x, z) for the z that S never shows. A model with shared
    parameters may change q(z|x) all the same. `optimum` is given that the answer is listed.
    Source: J. M. Springer et al., 2026, "Annotations mitigate post-training mode collapse", arXiv:2605.09995, for the
    idea; the form here is our own.
    """

    tokens: Annotated[int, AtLeast(1)] = struct.field(pytree_node=False, default=1)
    targets: Targets = struct.field(pytree_node=False, default="exact")

    @property
    def is_additive(self) -> Literal[True]:
        """True, because the loss is a weighted sum over strings."""
        return True

    def optimum(self, laws: Laws) -> np.ndarray | None:
        """q0(z|x) S(y|x, z)."""
        return token_optima.of_answers(laws, lambda s, _: s, self.tokens)

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]."""
        del key
        return token_loss(q, context, batch, self.targets, lambda log_q: -log_q, self.tokens)


def label(*, tokens: int = 1, **_: object) -> str:
    """Name the objective for people."""
    return f"annotation anchoring, {tokens} token{'s' if tokens > 1 else ''}"
