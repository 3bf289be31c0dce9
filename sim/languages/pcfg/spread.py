"""The variance of a sum over the rules that a derivation uses."""

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import TypeAlias

import numpy as np

from sim.languages import fixpoints
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule

Marked: TypeAlias = tuple[Rule, Decimal]
"""A rule and what it adds to the sum."""

PLACES = 60
"""Digits of the local variances. The means behind them have `fixpoints.DIGITS` digits."""


def derivation_variance(grammar: ContextFree, values: np.ndarray) -> float:
    """Variance of the sum of `values` [R] >= 0 over the rules that a derivation uses; math.inf if the mean is infinite.

    It is sum_A u_A Var_r[v_r + sum of the means of the children], over the non-terminals A with their expected uses
    u_A and over their rules r, because the children of a rule are independent. A sub-critical grammar has all moments.
    Source: Athreya & Ney 1972, "Branching processes", section V, for the moments of multitype processes.
    """
    own: list[list[Marked]] = [[] for _ in grammar.nonterminals]
    for rule, value in zip(grammar.rules, values, strict=True):
        own[rule.lhs].append((rule, Decimal(float(value))))
    total = 0.0
    with fixpoints.digits():
        means = _means(grammar, own)
        with localcontext(prec=PLACES):
            for head, marked in enumerate(own):
                sums = [_below(mark, [means[child] for child in rule.children]) for rule, mark in marked]
                finite = [value for value in sums if value is not None]
                if len(finite) < len(sums):
                    return math.inf
                local = float(_variance([fixpoints.decimal(rule.p) for rule, _ in marked], finite))
                total += float(grammar.visits[head]) * local if local else 0.0
    return total


def _below(mark: Decimal, means: Sequence[Decimal | None]) -> Decimal | None:
    """A mark plus some means; None if one of them is infinite."""
    total: Decimal | None = mark
    for mean in means:
        total = None if total is None or mean is None else total + mean
    return total


def _variance(weights: Sequence[Decimal], values: Sequence[Decimal]) -> Decimal:
    whole = sum(weights, Decimal(0))
    mean = sum((w * (v - values[0]) for w, v in zip(weights, values, strict=True)), Decimal(0)) / whole
    return sum((w * (v - values[0] - mean) ** 2 for w, v in zip(weights, values, strict=True)), Decimal(0)) / whole


def _means(grammar: ContextFree, own: Sequence[Sequence[Marked]]) -> list[Decimal | None]:
    """The mean sum of the marks below each non-terminal, m = v + M m, component by component; None if infinite."""
    found: list[Decimal | None] = [Decimal(0)] * len(own)
    for block, kind in grammar._growths:
        number = {node: i for i, node in enumerate(block)}
        rows: list[dict[int, Decimal]] = [{} for _ in block]
        sides: list[Decimal | None] = [Decimal(0)] * len(block)
        for i, node in enumerate(block):
            for rule, mark in own[node]:
                p = fixpoints.decimal(rule.p)
                for child in rule.children:
                    if child in number:
                        rows[i][number[child]] = rows[i].get(number[child], Decimal(0)) + p
                outside = _below(mark, [found[child] for child in rule.children if child not in number])
                before = sides[i]
                sides[i] = None if before is None or outside is None else before + p * outside
        values = _solved(rows, sides, kind == "critical")
        for i, node in enumerate(block):
            found[node] = None if values is None else values[i]
    return found


def _solved(
    rows: Sequence[dict[int, Decimal]], sides: Sequence[Decimal | None], critical: bool
) -> list[Decimal] | None:
    """The means of one component. In a critical one they are 0 if all its marks are 0, and else infinite."""
    known = [side for side in sides if side is not None]
    if len(known) < len(sides):
        return None
    if critical:
        return None if any(known) else known
    found = fixpoints.solve(rows, [known])
    return None if found is None else found[0]
