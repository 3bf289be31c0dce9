"""Turn weights of rules into probabilities. Conditioning, tilting, deleting and truncating share this step."""

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

from sim.languages import fixpoints
from sim.languages.finite import SUM_TOLERANCE
from sim.languages.fixpoints import Number
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule, Symbol, reached, renumbered
from sim.languages.systems import SMALLEST, Least, Term, least
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError

Weighted: TypeAlias = tuple[int, tuple[Symbol, ...], Number]
"""Left-hand side, right-hand side, weight."""


class InfiniteError(ArithmeticError):
    """The sum of the weights of all derivations is infinite."""


def normalised(
    vocabulary: Vocabulary,
    names: Sequence[str],
    rules: Sequence[Weighted],
    start: int,
) -> tuple[ContextFree, float] | None:
    """The grammar with derivations proportional to the products of their weights, and the log of the total [nat].

    p = w prod Z_B / Z_A, where Z is the least solution of Z_A = sum_r w_r prod Z_B. Non-terminals that derive nothing
    or cannot be reached are removed. The result is None if the total is 0. Raises `InfiniteError` if it is infinite,
    and ArithmeticError if the computed Z do not solve their equations.
    Source: Grenander 1976; Abney, McAllester & Pereira 1999; Nederhof & Satta 2003, "Probabilistic parsing as
    intersection".
    """
    found = normalised_from(vocabulary, names, rules, start, least(equations(names, rules)))
    return None if found is None else (found[0], float(found[1]))


def normalised_from(
    vocabulary: Vocabulary,
    names: Sequence[str],
    rules: Sequence[Weighted],
    start: int,
    total: Least,
) -> tuple[ContextFree, Decimal] | None:
    """As `normalised`, but with the total weights of all non-terminals given."""
    if not total.possible[start]:
        return None
    mass: Sequence[Any] = total.x.tolist() if total.decimals is None else total.decimals
    if mass[start] is None or mass[start] == math.inf:
        raise InfiniteError("the total weight of the derivations is infinite")
    with fixpoints.digits():
        found = _probabilities(names, rules, mass, total.decimals is not None)
        log_mass = Decimal(mass[start]).ln() if total.decimals is not None else Decimal(math.log(mass[start]))
    alive = reached(found, len(names), start)
    number = {old: new for new, old in enumerate(old for old, keep in enumerate(alive) if keep)}
    kept = [name for name, keep in zip(names, alive, strict=True) if keep]
    critical = frozenset(number[old] for old in total.critical if alive[old])
    grammar = ContextFree(vocabulary, tuple(kept), tuple(renumbered(found, alive)), number[start], critical)
    return grammar, log_mass


def _probabilities(
    names: Sequence[str], rules: Sequence[Weighted], mass: Sequence[Any], in_decimals: bool
) -> list[Rule]:
    """p = w prod Z_B / Z_A, where Z_A is the sum of its terms, so that 1 - p keeps its digits too.

    This sum must equal the given Z_A up to rounding; otherwise ArithmeticError is raised.
    """
    shares: list[tuple[int, tuple[Symbol, ...], Fraction]] = []
    sums: dict[int, Fraction] = {}
    for lhs, rhs, weight in rules:
        parts = [mass[lhs], *(mass[~symbol] for symbol in rhs if symbol < 0)]
        if not weight > 0 or not all(part is not None and 0 < part < math.inf for part in parts):
            continue  # a start of finite weight never reaches a symbol of infinite weight
        share: Any = fixpoints.decimal(weight) if in_decimals else float(weight)
        for part in parts[1:]:
            share *= part
        if share < SMALLEST:  # a float would lose digits
            share = math.prod(map(Decimal, parts[1:]), start=fixpoints.decimal(weight))
        shares.append((lhs, rhs, Fraction(share)))
        sums[lhs] = sums.get(lhs, Fraction(0)) + shares[-1][2]
    for lhs, found in sums.items():
        if abs(found / Fraction(mass[lhs]) - 1) > SUM_TOLERANCE:
            raise ArithmeticError(f"the terms of {names[lhs]} sum to {float(found)!r}, not to {mass[lhs]!r}")
    return [Rule(lhs, rhs, share / sums[lhs]) for lhs, rhs, share in shares]


def equations(names: Sequence[str], rules: Sequence[Weighted]) -> list[list[Term]]:
    """The equations Z_A = sum_r w_r prod Z_B of the total weights of derivations, one for each non-terminal."""
    found: list[list[Term]] = [[] for _ in names]
    for lhs, rhs, weight in rules:
        found[lhs].append((weight, tuple(~symbol for symbol in rhs if symbol < 0)))
    return found


def required(found: tuple[ContextFree, float] | None, place: str) -> tuple[ContextFree, float]:
    """Return what was found; raise `SpecificationError` if it is None, because no string is kept."""
    if found is None:
        raise SpecificationError(f"{place}: P(A) must be positive, found 0: it keeps no string of the language")
    return found
