"""The siblings of a fine-tuning, for edits that need more than one tuned model."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import jax
import numpy as np

from sim.edits._base import Change, Weights
from sim.typing import Params


@dataclass(frozen=True, eq=False)
class Siblings:
    """The parameters of the other fine-tunings from the same q0, with the same recipe (`finetune.siblings`), in order.

    An edit with a keyword-only argument of this type gets all siblings of its run. A run without siblings refuses it.
    """

    params: tuple[Weights, ...] = ()

    is_injected: ClassVar[Literal[True]] = True
    """The program gives arguments of this type; no configuration sets them (`sim.config.signatures`)."""

    @classmethod
    def of(cls, trained: Iterable[Params]) -> "Siblings":
        """Return siblings with these parameters, in float64 on the host."""
        return cls(tuple(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), one) for one in trained))


Make: TypeAlias = Callable[[Siblings], Change]
"""It makes the edit of a run from the siblings of the run; most edits need none."""
