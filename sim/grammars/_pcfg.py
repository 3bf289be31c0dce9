"""Grammar files of type `pcfg`: a probabilistic context-free grammar."""

import math
import warnings
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sim.grammars._reading import COMMON_KEYS, check_keys, known, mapping, names, problem, vocabulary
from sim.grammars._weights import normalised, probability, weighs
from sim.languages.matrices import growth
from sim.languages.pcfg import normalising
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule, by_lhs, expectation, productive, reached, renumbered
from sim.languages.systems import least_solution

Sides = tuple[str, tuple[str, ...]]
"""The left- and the right-hand side of a rule, as written."""


def pcfg(path: str, data: dict[str, Any], renormalise: bool = False) -> ContextFree:
    """The grammar of the listed rules, without rules of probability 0 and without what cannot be reached.

    A symbol on a left-hand side is a non-terminal, and every other symbol is a terminal. `nonterminals` and `terminals`
    can list them explicitly. Warns of rules that are given twice (their probabilities are added), of non-terminals that
    cannot be reached, and of a critical grammar. Raises `SpecificationError` for a non-terminal that derives nothing.
    For an inconsistent grammar it raises it with the mass of the derivations that end, or, with `renormalise`,
    conditions on ending.
    """
    keys = (*COMMON_KEYS[1:], "nonterminals", "terminals")
    check_keys(path, data, ("type", "start", "rules"), keys)
    weight = weighs(path, data)
    listed = _rules(path, data["rules"], weight)
    heads = _nonterminals(path, data, listed)
    symbols = vocabulary(path, f"{path}: rules", data, _terminals(path, data, listed, heads))
    start = known(f"{path}: start", data["start"], heads, "one of the non-terminals")
    number = {head: n for n, head in enumerate(heads)}

    token = {name: at for at, name in enumerate(symbols.symbols)}

    def symbol(name: str) -> int:
        return ~number[name] if name in number else token[name]

    sides: dict[str, dict[tuple[str, ...], Fraction]] = {head: {} for head in heads}
    for (lhs, rhs), p in listed.items():
        sides[lhs][rhs] = p
    rules = []
    for head, own in sides.items():
        if not own:
            raise problem(path, "a rule for every non-terminal is required", f"none for {head!r}", "add one")
        for rhs, p in normalised(f"{path}: rules of {head}", own, weight).items():
            if p.numerator > 0:
                rules.append(Rule(number[head], tuple(symbol(name) for name in rhs), p))
    useful, kept = _useful(path, rules, heads, number[start])
    names_kept = tuple(head for head, keep in zip(heads, kept, strict=True) if keep)
    return _consistent(path, symbols, names_kept, useful, names_kept.index(start), renormalise)


def _rules(path: str, value: Any, weight: bool) -> dict[Sides, Fraction]:
    """The rules, with their probabilities as written."""
    place = f"{path}: rules"
    if not isinstance(value, list) or not value:
        fix = "write [{lhs: S, rhs: [a, S], p: 1/2}, {lhs: S, rhs: [], p: 1/2}]"
        shown = "none, so the language is empty" if value == [] else value
        raise problem(place, "a list with at least one rule is required", shown, fix)
    found: dict[Sides, Fraction] = {}
    for i, entry in enumerate(value):
        here = f"{place}[{i}]"
        check_keys(here, mapping(here, entry), ("lhs", "rhs", "p"))
        lhs, rhs = entry["lhs"], entry["rhs"]
        if not isinstance(lhs, str) or lhs == "":
            raise problem(f"{here}.lhs", "a non-empty text is required", repr(lhs), "name a non-terminal")
        if not isinstance(rhs, list) or not all(isinstance(name, str) and name != "" for name in rhs):
            fix = "write [a, S, b], or [] for the empty string"
            raise problem(f"{here}.rhs", "a list of non-empty texts is required", rhs, fix)
        sides, p = (lhs, tuple(rhs)), probability(f"{here}.p", entry["p"], weight)
        if sides in found:
            shown = f"{lhs} -> {' '.join(rhs) or '(empty)'}"
            warnings.warn(f"{here}: {shown} is listed twice (probabilities added)", stacklevel=2)
        found[sides] = found.get(sides, Fraction(0)) + p
    return found


def _nonterminals(path: str, data: dict[str, Any], listed: dict[Sides, Fraction]) -> list[str]:
    heads = list(dict.fromkeys(lhs for lhs, _ in listed))
    if "nonterminals" not in data:
        return heads
    given = names(f"{path}: nonterminals", data["nonterminals"])
    valid = set(given)
    for head in heads:
        known(f"{path}: rules", head, valid, "a non-terminal on the left-hand side", "add it to nonterminals")
    return given


def _terminals(path: str, data: dict[str, Any], listed: dict[Sides, Fraction], heads: list[str]) -> list[str]:
    inner = set(heads)
    used = list(dict.fromkeys(name for _, rhs in listed for name in rhs if name not in inner))
    if "terminals" not in data:
        return used
    given = names(f"{path}: terminals", data["terminals"])
    for name in given:
        if name in inner:
            raise problem(f"{path}: terminals", "no terminal may have rules of its own", repr(name), "remove it there")
    valid = {*given, *heads}
    for name in used:
        known(f"{path}: rules", name, valid, "a terminal or a non-terminal", "add it to terminals")
    return given


def _useful(path: str, rules: list[Rule], heads: list[str], start: int) -> tuple[list[Rule], list[bool]]:
    """The rules that a derivation from the start can use, and whether each non-terminal can be reached."""
    good = productive(rules, len(heads))
    if not all(good):
        listed = _some(heads, good)
        fix = "give one of them a rule without them, or remove them"
        empty = "" if good[start] else ", so no derivation ends and the language is empty"
        raise problem(path, "every non-terminal must derive some string", f"none for {listed}{empty}", fix)
    seen = reached(rules, len(heads), start)
    if not all(seen):
        listed = _some(heads, seen)
        warnings.warn(f"{path}: non-terminal {listed} cannot be reached from the start (left out)", stacklevel=2)
    return renumbered(rules, seen), seen


def _some(heads: list[str], fine: list[bool]) -> str:
    """The first of the non-terminals that are not fine, as messages show them."""
    bad = [repr(head) for head, ok in zip(heads, fine, strict=True) if not ok]
    return ", ".join(bad[:5]) + (f" and {len(bad) - 5:,} others" if len(bad) > 5 else "")


def _consistent(
    path: str, symbols: Any, heads: tuple[str, ...], rules: list[Rule], start: int, renormalise: bool
) -> ContextFree:
    """The grammar, if its derivations end with probability 1. With `renormalise` it is conditioned on ending."""
    kind = growth(expectation(rules, len(heads)))
    if kind == "critical":
        said = "spectral radius exactly 1: every derivation ends, but expected length and entropy may be infinite"
        warnings.warn(f"{path}: a critical grammar ({said})", stacklevel=2)
    if kind != "supercritical":
        return ContextFree(symbols, heads, tuple(rules), start)
    if renormalise:
        weighted = [(rule.lhs, rule.rhs, rule.p) for rule in rules]
        found = normalising.normalised(symbols, heads, weighted, start)
        assert found is not None, "every non-terminal derives a string"
        return replace(found[0], ending=math.exp(found[1]))
    own = [[(float(r.p), tuple(r.children)) for r in mine] for mine in by_lhs(rules, len(heads))]
    mass = float(least_solution(own)[start])
    requirement = "derivations must end with probability 1 (a consistent grammar, spectral radius at most 1)"
    fix = "lower the probabilities of the recursive rules, or ask for renormalisation on the derivations that end"
    raise problem(path, requirement, f"a total mass of {mass:.12g}", fix)
