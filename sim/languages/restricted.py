"""What a restriction makes of a language: S, the event A, P(.|A) and log P(A)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage


@dataclass(frozen=True, eq=False)
class Restricted:
    """The SFT language of a listed language and where it came from, all on one trie: that of P, or of `p` if given.

    A latent event z (an overlapping style, a set of derivations) is no set of strings: then `log_member` is
    log P(z | x), A is where it is above -inf, and `kept` and `log_mass` are those of A.
    """

    s: FiniteLanguage  # S, what SFT is trained on; supp S is within A, except for data with noise
    kept: FiniteLanguage  # P_A = P(. | A)
    event: np.ndarray  # bool[N], A
    log_mass: float  # log P(A) [nat], of documents
    notes: Mapping[str, float] = field(default_factory=dict)  # what the restriction wants reported
    log_member: np.ndarray | None = None  # float64[N], log P(z | x) [nat], of a latent event
    p: FiniteLanguage | None = None  # P on a larger trie, where S has strings that P has not


@dataclass(frozen=True, eq=False)
class Narrowed:
    """The same for a language that is not listed: S and P_A are exact languages of its kind."""

    s: ExactLanguage
    kept: ExactLanguage  # P_A; the law of the derivations that are kept, where those are what is restricted
    log_mass: float  # log P(A) [nat]
    narrowing: float  # KL(S || P_A) [nat]
    notes: Mapping[str, float] = field(default_factory=dict)
    of_strings: bool = True  # False where A is a set of derivations, and strings outside it may have some inside


Constructor = TypeVar("Constructor", bound=Callable[..., Any])


def widens(constructor: Constructor) -> Constructor:
    """Marks a restriction whose S has strings that P has not, so that all languages of a run are listed on more."""
    setattr(constructor, "widens", True)  # noqa: B010, a function has no such attribute to assign to
    return constructor
