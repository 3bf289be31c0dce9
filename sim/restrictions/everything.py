"""The identity restriction: SFT on fresh data from P itself, which is the control of every experiment."""

import numpy as np

from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Narrowed, Restricted


def everything(p: ExactLanguage) -> Restricted | Narrowed:
    """S = P. A holds all strings, log P(A) = 0 [nat] exactly, and so the shift KL(S || P) is 0."""
    if isinstance(p, FiniteLanguage):
        return Restricted(s=p, kept=p, event=np.ones(p.trie.num_strings, bool), log_mass=0.0)
    return Narrowed(p, p, 0.0, 0.0)


def label(**_: object) -> str:
    """The restriction in words."""
    return "P itself"
