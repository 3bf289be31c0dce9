"""Three strings over two symbols."""

import numpy as np

from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary


def pair(*, share: float = 0.5, seed: int = 0) -> FiniteLanguage:
    """The string `a` has the probability `share`; `a b` and `b b` have the rest."""
    del seed
    strings = np.array([[1, 0, 0], [1, 2, 0], [2, 2, 0]])
    weights = np.array([share, 0.6 * (1 - share), 0.4 * (1 - share)])
    return FiniteLanguage.from_strings(Vocabulary(("<eos>", "a", "b")), strings, np.log(weights))
