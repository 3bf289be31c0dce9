"""The result of a restriction: the SFT language S, the event A, P(.|A) and log P(A)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage


@dataclass(frozen=True, eq=False)
class Restricted:
    """The SFT language S of a listed language P, and how it arose. All laws are on one trie: P's, or the one of `p`.

    A latent event z (an overlapping style, a set of derivations) is not a set of strings. Then `log_member` is
    log P(z | x), A is the set of strings with `log_member` above -inf, and `kept` and `log_mass` refer to A.
    """

    s: FiniteLanguage  # S, the language that SFT is trained on; supp S lies in A, unless it has strings that P lacks
    kept: FiniteLanguage  # P_A = P(. | A)
    event: np.ndarray  # bool[N], A
    log_mass: float  # log P(A) [nat], the mass of documents
    notes: Mapping[str, float] = field(default_factory=dict)  # numbers that the restriction reports
    log_member: np.ndarray | None = None  # float64[N], log P(z | x) [nat] of a latent event
    p: FiniteLanguage | None = None  # P on a larger trie, given if S has strings that P lacks


@dataclass(frozen=True, eq=False)
class Narrowed:
    """The same for a language that is not listed. S and P_A are exact languages of the same kind as P."""

    s: ExactLanguage
    kept: ExactLanguage  # P_A; if A is a set of derivations or paths, their law given A
    log_mass: float  # log P(A) [nat]
    narrowing: float  # KL(S || P_A) [nat]
    notes: Mapping[str, float] = field(default_factory=dict)
    of_strings: bool = True  # False if A, or the law, is one of derivations or paths of which a string may have several


Constructor = TypeVar("Constructor", bound=Callable[..., Any])


def widens(constructor: Constructor) -> Constructor:
    """Mark a restriction that can give S strings that P lacks. All languages of such a run share a larger trie."""
    setattr(constructor, "widens", True)  # noqa: B010, mypy rejects a plain assignment to an attribute of a function
    return constructor


def weighs(*arguments: str) -> Callable[[Constructor], Constructor]:
    """Name the arguments of a restriction that `widens` which change probabilities alone, and no string.

    Runs that differ only in them list the same strings, so they share their pretraining.
    """

    def mark(constructor: Constructor) -> Constructor:
        setattr(constructor, "weighs", arguments)  # noqa: B010, as above
        return constructor

    return mark
