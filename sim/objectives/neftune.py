"""NEFTune: fine-tuning with uniform noise on the embeddings of the tokens."""

from typing import Annotated

import jax
import jax.numpy as jnp
from flax import struct

from sim.config import NonNegative
from sim.languages.device import alive
from sim.objectives._context import Batch, Context
from sim.objectives._disturbed import HasModule, disturbed
from sim.objectives._tokens import Targets, loss_of
from sim.typing import Array, Float, Language, Number, PRNGKey, Scalar

UNIT = "both"
"""What its loss is about, for the atlas: the next token, a whole answer, or both: its fit is cross-entropy."""


@struct.dataclass
class Neftune:
    """-E_S E_noise log q [nat per string]: every entry of every embedding gets uniform noise in ±alpha/sqrt(L d).

    L is the number of tokens of the string, EOS included, and d the width. So the noise of a whole string has a norm
    of alpha/sqrt(3) on average, whatever its length. It is drawn anew for each string and each step, prompts included;
    evaluations have none. alpha = 0 is SFT. It needs embeddings, so a table cannot have it, and no optimum is known in
    closed form.
    Source: N. Jain et al., 2023, "NEFTune: noisy embeddings improve instruction finetuning", arXiv:2310.05914. Public
    programs take the length of the padded row as L; here it is that of the string.
    """

    alpha: Annotated[Number, NonNegative] = 5.0
    targets: Targets = struct.field(pytree_node=False, default="exact")

    @property
    def needs(self) -> type[HasModule]:
        """What the model must have."""
        return HasModule

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch with one draw of the noise [nat per string]. The key is used up."""
        length = jnp.sum(alive(batch.tokens), axis=-1)

        def noisy(rows: Float[Array, "B L D"], position: Float[Array, "1 L D"]) -> Float[Array, "B L D"]:
            del position
            radius = self.alpha / jnp.sqrt(length * rows.shape[-1])
            noise = jax.random.uniform(key, rows.shape, rows.dtype, -1.0, 1.0)
            return rows + radius[:, None, None].astype(rows.dtype) * noise

        log_q = disturbed(q, batch.tokens, noisy)
        return loss_of(log_q, context, batch, self.targets, lambda log_q: -log_q)


def label(*, alpha: float = 5.0, **_: object) -> str:
    """Name the objective for people."""
    return f"NEFTune, α = {alpha:g}"
