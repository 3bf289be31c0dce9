"""What a restriction makes of a language: S, the event A, P(.|A) and log P(A)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sim.languages.finite import FiniteLanguage


@dataclass(frozen=True, eq=False)
class Restricted:
    """The SFT language and where it came from, all on the trie of the pretraining language P."""

    s: FiniteLanguage  # S, what SFT is trained on; supp S is within A
    kept: FiniteLanguage  # P_A = P(. | A)
    event: np.ndarray  # bool[N], A
    log_mass: float  # log P(A) [nat], of documents
    notes: Mapping[str, float] = field(default_factory=dict)  # what the restriction wants reported
