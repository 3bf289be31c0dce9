"""L2-SP: fine-tuning with a penalty of the squared distance of the parameters from where they began."""

from typing import Annotated, Literal

from flax import struct

from sim.config import NonNegative
from sim.objectives._context import Batch, Context
from sim.objectives._parameters import penalised
from sim.objectives._tokens import Targets
from sim.typing import Language, Number, PRNGKey, Scalar

UNIT = "both"
"""What its loss is about, for the atlas: the next token, a whole answer, or both: its fit is cross-entropy."""

FAMILY = "start"
"""Its kind in the atlas: a penalty for leaving the model with which the stage began."""


@struct.dataclass
class L2Sp:
    """-E_S log q + (strength/2) ‖theta - theta0‖² [nat per string]; theta0: the parameters at which the stage began.

    All parameters count alike, vectors too. strength [nat] = 0 is SFT. There is no optimum in closed form: it depends
    on the parameters, and not on the law alone. In a flat table of logits z it is where S - q = strength (z - z0).
    Unlike weight decay, which pulls to 0, it pulls to the starting model.
    Source: X. Li et al., 2018, "Explicit inductive bias for transfer learning with convolutional networks",
    arXiv:1802.01483. Some public programs leave the factor 1/2 out.
    """

    strength: Annotated[Number, NonNegative] = 0.01
    targets: Targets = struct.field(pytree_node=False, default="exact")

    @property
    def is_additive(self) -> Literal[True]:
        """True: each part of a batch gets the share of the penalty that it has of the weights of the strings."""
        return True

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        """Loss on one batch [nat per string]."""
        del key
        return penalised(q, context, batch, self.targets, self.strength)


def label(*, strength: float = 0.01, **_: object) -> str:
    """Name the objective for people."""
    return f"L2-SP, strength {strength:g}"
