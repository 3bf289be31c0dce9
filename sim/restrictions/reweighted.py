"""Change the probability of one rule of a grammar by a given divergence. No string is left out."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from sim.config import Positive
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.restricted import Narrowed, Restricted
from sim.numerics import SpecificationError
from sim.restrictions._shifts import Change, shifted
from sim.restrictions._shifts import divergence as divergence
from sim.restrictions.sub_grammar import aligned, numbered, written

PLACE = "restriction"


def reweighted(
    p: ExactLanguage,
    *,
    rule: Mapping[str, Any] | str,
    shift: Annotated[float, Positive] = 0.3,
    change: Change = "rarer",
) -> Restricted | Narrowed:
    """S is P with another probability of one rule of its grammar, such that KL(S||P) of derivations is `shift` [nat].

    rule: {lhs, rhs} as in the grammar file, {lhs, number}, or a text "lhs -> rhs". The other rules of its left-hand
    side keep their proportions. KL of derivations is n KL(rules of lhs under S||under P), where n is the expected
    number of times that a derivation replaces lhs; n is the same for P and S, because lhs must not occur in what it
    derives. So rules of different levels of a grammar can be changed by equal divergences, which deleting them cannot
    do. KL of strings is at most that of derivations, and equal if every string has one. A holds everything, so all of
    KL(S||P) is narrowing.
    A listed language keeps its horizon. Notes: `uses` n, `probability` of the rule in S. Raises `SpecificationError`
    for a rule that does not exist, is alone, or is recursive, and for a shift out of reach.
    """
    source = p.source if isinstance(p, FiniteLanguage) else p
    if not isinstance(source, ContextFree):
        raise SpecificationError(
            f"{PLACE}: a context-free grammar, or a language that was listed from one, is required for reweighted, "
            "found another; choose sharpen"
        )
    number = numbered(source, [rule])[0]
    chosen = source.rules[number]
    uses = _uses(source, chosen)
    if chosen.p == 1:
        raise SpecificationError(
            f"{PLACE}.rule: a symbol with several rules is required, found {source.shown(chosen)} alone"
        )
    wanted = shifted(float(chosen.p), shift, change, source.shown(chosen), uses)
    s = _changed(source, number, wanted)
    notes = {"uses": uses, "probability": wanted}
    if isinstance(p, FiniteLanguage):
        own, _ = s.enumerate(p.length, p.trie.num_strings, PLACE)
        log_s = aligned(p, own)
        return Restricted(replace(p, log_p=log_s), p, np.ones(p.trie.num_strings, bool), 0.0, notes)
    return Narrowed(s, p, 0.0, uses * divergence(wanted, float(chosen.p)), notes, source.ambiguity.unambiguous)


def _uses(source: ContextFree, chosen: Rule) -> float:
    """How often a derivation replaces the left-hand side of a rule on average. It must not occur in what it derives."""
    seen, waiting = set[int](), [chosen.lhs]
    children = {lhs: {child for rule in source.rules if rule.lhs == lhs for child in rule.children}
                for lhs in range(len(source.nonterminals))}  # fmt: skip
    while waiting:
        new = children[waiting.pop()] - seen
        seen |= new
        waiting += new
    if chosen.lhs in seen:
        raise SpecificationError(
            f"{PLACE}.rule: a rule of a symbol that does not occur in what it derives is required, found "
            f"{source.shown(chosen)}; choose another rule"
        )
    return float(source.visits[chosen.lhs])


def _changed(source: ContextFree, number: int, wanted: float) -> ContextFree:
    """The grammar with another probability of a rule, whose siblings keep their proportions; exact rationals."""
    chosen, new = source.rules[number], Fraction(wanted)
    rest = (1 - new) / (1 - chosen.p)
    rules = tuple(
        replace(rule, p=new) if at == number else replace(rule, p=rule.p * rest) if rule.lhs == chosen.lhs else rule
        for at, rule in enumerate(source.rules)
    )
    return ContextFree(source.vocabulary, source.nonterminals, rules, source.start)


def label(*, rule: Mapping[str, Any] | str, shift: float = 0.3, change: Change = "rarer", **_: object) -> str:
    """The restriction in words."""
    return f"with {written(rule).replace(' -> ', ' → ')} {change} by {shift:g} nat"
