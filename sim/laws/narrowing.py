"""Restrict the language of a law: without rules of any level, to a regular event, or sharpened. With exact accounts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.config import construct
from sim.languages.restricted import Narrowed
from sim.laws.protocol import Law
from sim.laws.reading import law as law_of
from sim.numerics import SpecificationError


@dataclass(frozen=True, eq=False)
class NarrowedLaw:
    """The law of S, a restriction of P, and the accounts KL(S||P) = -log P(A) + KL(S||P_A).

    If `of_strings`, A is a set of strings. Otherwise A is a set of *derivations*, because the grammar is ambiguous or
    not proved to be unambiguous; then log P(A) and `shift` are those of derivations, and KL(S||P) of strings is at most
    `shift`. The probability of A given a string is P(A | x) = S(x) P(A) / P(x), with S = P_A.
    """

    law: Law  # of S
    log_mass: float  # log P(A) [nat]
    narrowing: float  # KL(S||P_A) [nat]
    of_strings: bool
    notes: Mapping[str, float] = field(default_factory=dict)  # numbers that the restriction reports

    @property
    def shift(self) -> float:
        """-log P(A) + KL(S||P_A) [nat]: KL(S||P) of strings, or of derivations if not `of_strings`."""
        return self.narrowing - self.log_mass


def narrowed(law: Law, kind: str, **arguments: Any) -> NarrowedLaw:
    """Restrict P by a restriction of docs/worlds.md that applies to languages which are not listed.

    `narrowed(law, "sub_grammar", rules=[{"lhs": "AS", "rhs": ["AP", "AQ", "AR"]}])` deletes a rule, of any level;
    `nonterminals=[...]` deletes symbols, `symbols=[...]` tokens. `narrowed(law, "regular", pattern="1.*")` keeps the
    strings that match. `narrowed(law, "sharpen", temperature=0.5)` is proportional to P^2, of derivations. Raises
    `SpecificationError` if nothing is left, for names that do not exist, and if the restriction needs a list.
    """
    language = getattr(law, "language", None)
    if language is None:
        raise SpecificationError(
            "restriction: the law of an exact language is required, found one that is conditioned on the length; "
            "restrict it first"
        )
    found = construct("restriction", {"kind": kind, **arguments}, "restriction", language)
    assert isinstance(found, Narrowed), "a restriction of a language that is not listed"
    return NarrowedLaw(law_of(found.s), found.log_mass, found.narrowing, found.of_strings, found.notes)
