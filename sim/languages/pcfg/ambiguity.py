"""Decide whether a grammar is ambiguous. This is undecidable in general, so the question can be left open."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from sim.languages.matrices import components
from sim.languages.pcfg.approximation import separates
from sim.languages.pcfg.chart import Binary
from sim.languages.pcfg.listing import Listing, TooManyError, tokens_of
from sim.languages.pcfg.lr import is_lr1
from sim.languages.pcfg.rules import Rule
from sim.languages.pcfg.shape import Shape

LONGEST_WITNESS, MOST_STRINGS = 12, 4_000
"""Limits of the search for an example: its symbols, and the strings of one non-terminal and one length."""


@dataclass(frozen=True)
class Ambiguity:
    """What is known, and why. `witness` is a string (tokens) that the non-terminal `within` derives in several ways."""

    unambiguous: bool
    reason: str
    witness: tuple[int, ...] | None = None
    within: int | None = None

    @property
    def open(self) -> bool:
        """Whether the question could not be decided."""
        return not self.unambiguous and self.witness is None


def decide(rules: Sequence[Rule], num_nonterminals: int, start: int) -> Ambiguity:
    """Decide whether every string has one derivation, for rules without useless symbols.

    The tests run in this order. A non-terminal that derives itself makes the grammar ambiguous. So does a short string
    of some non-terminal with two derivations; if there is none, and no longer strings, the grammar is unambiguous. The
    LR(1) test and regular approximations can prove it unambiguous too.
    """
    shape = Shape.of(rules, num_nonterminals, start)
    looked = _short_strings(rules, num_nonterminals, shape)
    if not looked.open:
        return looked
    if is_lr1(rules, num_nonterminals, start):
        return Ambiguity(True, "it is LR(1)")
    if separates(rules, num_nonterminals):
        return Ambiguity(True, "regular approximations distinguish its rules, and the parts of each rule")
    return replace(looked, reason=f"{looked.reason}; neither the LR(1) test nor regular approximations decide")


def _short_strings(rules: Sequence[Rule], num_nonterminals: int, shape: Shape) -> Ambiguity:
    """Look for ambiguity in the short strings of every non-terminal, by counting their derivations."""
    if shape.cyclic:
        head = next(
            block[0] for block in components(shape.chains) if len(block) > 1 or block[0] in shape.chains[block[0]]
        )
        return Ambiguity(False, "a non-terminal derives itself", shape.shortest[head], head)
    ones = tuple(replace(rule, p=Fraction(1)) for rule in rules)
    form = Binary.of(ones, num_nonterminals, 1 + max((max(rule.rhs, default=0) for rule in rules), default=1))
    twice = np.flatnonzero(form.null[:num_nonterminals] > 1)
    if len(twice):
        return Ambiguity(False, "the empty string has several derivations", (), int(twice[0]))
    listing = Listing(form, range(num_nonterminals), LONGEST_WITNESS, MOST_STRINGS)
    searched = 0
    try:
        for found in listing.lengths():
            searched += 1
            for head in sorted(found.keys() & range(num_nonterminals)):
                double = [string for string, count in found[head].items() if count > 1]
                if double:
                    witness = tuple(int(token) for token in tokens_of(min(double)))
                    return Ambiguity(False, "a string has several derivations", witness, head)
    except TooManyError:
        return Ambiguity(False, f"no string of at most {searched} symbols has two derivations")
    if shape.longest <= LONGEST_WITNESS:
        return Ambiguity(True, "each of its strings has one derivation")
    return Ambiguity(False, f"no string of at most {LONGEST_WITNESS} symbols has two derivations")
