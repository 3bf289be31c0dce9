"""Decide whether a grammar is ambiguous. This is undecidable in general, so the question can be left open."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from sim.languages.machine import shown_count
from sim.languages.matrices import components
from sim.languages.pcfg.approximation import separates
from sim.languages.pcfg.chart import Binary
from sim.languages.pcfg.counting import surplus
from sim.languages.pcfg.leading import is_ll1
from sim.languages.pcfg.listing import Listing, TooManyError, tokens_of
from sim.languages.pcfg.lr import is_lr1
from sim.languages.pcfg.rules import Rule
from sim.languages.pcfg.shape import Shape

LONGEST_WITNESS, MOST_STRINGS = 12, 4_000
"""Limits of the search for an example: its symbols, and the strings of one non-terminal and one length."""

LONGER_WITNESS, FEW_RULES, MOST_LISTED = 40, 300, 30_000
"""In a small grammar longer examples are looked for, until so many strings have been listed."""

MOST_RULES = 3_000
"""Largest number of rules, in binary form, for which an example is looked for."""


@dataclass(frozen=True)
class Ambiguity:
    """What is known, and why.

    `witness` is a string (tokens) that the non-terminal `within` derives in several ways. If only counting proves that
    there is such a string, `length` is its number of symbols.
    """

    unambiguous: bool
    reason: str
    witness: tuple[int, ...] | None = None
    within: int | None = None
    length: int | None = None

    @property
    def proved(self) -> bool:
        """Whether the grammar is ambiguous for certain."""
        return self.witness is not None or self.length is not None

    @property
    def open(self) -> bool:
        """Whether the question could not be decided."""
        return not self.unambiguous and not self.proved


def decide(rules: Sequence[Rule], num_nonterminals: int, start: int) -> Ambiguity:
    """Decide whether every string has one derivation, for rules without useless symbols.

    The tests run in this order. A non-terminal that derives itself makes the grammar ambiguous. So does a short string
    of some non-terminal with two derivations; if there is none, and no longer strings, the grammar is unambiguous. The
    LR(1) test and regular approximations can prove it unambiguous too. Counting can prove it ambiguous: there may be
    more derivations of some length than strings. In a large grammar, the LL(1) test stands for the search.
    """
    shape = Shape.of(rules, num_nonterminals, start)
    if len(shape.rules) > MOST_RULES:
        if is_ll1(rules, num_nonterminals, start):
            return Ambiguity(True, "it is LL(1)")
        looked = Ambiguity(False, f"with over {MOST_RULES} rules, no example is looked for")
    else:
        looked = _short_strings(rules, num_nonterminals, shape)
    if not looked.open:
        return looked
    if is_lr1(rules, num_nonterminals, start):
        return Ambiguity(True, "it is LR(1)")
    if separates(rules, num_nonterminals):
        return Ambiguity(True, "regular approximations distinguish its rules, and the parts of each rule")
    more = surplus(rules, num_nonterminals, shape)
    if more is not None:
        counts = f"{shown_count(more.derivations)} derivations but at most {shown_count(more.strings)} strings"
        reason = f"there are {counts} of {more.length} symbols"
        return Ambiguity(False, reason, within=more.head, length=more.length)
    return replace(looked, reason=f"{looked.reason}; neither the LR(1) test nor regular approximations decide")


def _short_strings(rules: Sequence[Rule], num_nonterminals: int, shape: Shape) -> Ambiguity:
    """Look for ambiguity in the short strings of every non-terminal, by counting their derivations."""
    if shape.cyclic:
        head = next(
            block[0] for block in components(shape.chains) if len(block) > 1 or block[0] in shape.chains[block[0]]
        )
        return Ambiguity(False, "a non-terminal derives itself", shape.shortest_string(head), head)
    ones = tuple(replace(rule, p=Fraction(1)) for rule in rules)
    form = Binary.of(ones, num_nonterminals, 1 + max((max(rule.rhs, default=0) for rule in rules), default=1))
    twice = np.flatnonzero(form.null[:num_nonterminals] > 1)
    if len(twice):
        return Ambiguity(False, "the empty string has several derivations", (), int(twice[0]))
    longest = LONGER_WITNESS if len(shape.rules) <= FEW_RULES else LONGEST_WITNESS
    listing = Listing(form, range(num_nonterminals), int(min(longest, shape.longest)), MOST_STRINGS)
    searched = listed = 0
    try:
        for found in listing.lengths():
            if searched >= LONGEST_WITNESS and listed > MOST_LISTED:
                break
            searched += 1
            listed += sum(map(len, found.values()))
            for head in sorted(found.keys() & range(num_nonterminals)):
                double = [string for string, count in found[head].items() if count > 1]
                if double:
                    witness = tuple(int(token) for token in tokens_of(min(double)))
                    return Ambiguity(False, "a string has several derivations", witness, head)
        if shape.longest <= searched:
            return Ambiguity(True, "each of its strings has one derivation")
    except TooManyError:
        pass
    return Ambiguity(False, f"no string of at most {searched} symbols has two derivations")
