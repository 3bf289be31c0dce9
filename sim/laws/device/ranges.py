"""How small the weights of a grammar without recursion can become, and the scale of a token that keeps them large."""

import math
from typing import Any

import numpy as np

from sim.languages.pcfg.rules import Symbol
from sim.laws._order import Order
from sim.numerics import SpecificationError

MARGIN = 1.0
"""Room [nat] between the least weight and the least float, for rounding."""

TRIED = tuple(1 + step / 20 for step in range(21))
"""Multiples of the entropy per token that are tried as its scale. Larger ones make long strings overflow."""


def widths(order: Order) -> dict[Symbol, tuple[int, int]]:
    """The least and the largest number of tokens that every symbol derives."""
    found = dict.fromkeys(range(1, len(order.grammar.vocabulary)), (1, 1))
    for head in order.bottom_up:
        sides = [[found[symbol] for symbol in rhs] for _, rhs in order.rules[head]]
        found[~head] = min(sum(a for a, _ in side) for side in sides), max(sum(b for _, b in side) for side in sides)
    return found


def least(order: Order, scale: float) -> float:
    """The log of the least positive weight of single derivations [nat], if a token has the weight e^scale.

    Exact. Sums of several derivations are larger. A weight is that of a symbol, of the last symbols of a right-hand
    side, or of a prefix: from the start down to a symbol that begins, and on through a part of what it derives.
    """
    log_p = order.grammar.log_p
    whole: dict[Symbol, float] = dict.fromkeys(range(1, len(order.grammar.vocabulary)), scale)
    worst = min(scale, 0.0)
    for head in order.bottom_up:
        wholes = []
        for number, rhs in order.rules[head]:
            behind = 0.0
            for symbol in reversed(rhs):
                behind += whole[symbol]
                worst = min(worst, behind)
            wholes.append(behind + float(log_p[number]))
        whole[~head] = min(wholes)
        worst = min(worst, whole[~head])
    begun = {~order.grammar.start: 0.0}
    for head in reversed(order.bottom_up):
        for number, rhs in order.rules[head]:
            before = begun[~head] + float(log_p[number])
            worst = min(worst, before)
            for symbol in rhs:
                begun[symbol] = min(begun.get(symbol, math.inf), before)
                before += whole[symbol]
                worst = min(worst, before)
    return worst


def scale_of(order: Order, kind: Any) -> float:
    """The log scale of a token [nat] with which no weight of any string is below the range of the floats.

    It is the entropy of derivations per token, so that a usual string has a weight of about 1; or up to twice as much.
    Raises `SpecificationError` if that is not enough.
    """
    length, floor = order.grammar.expected_length(), math.log(np.finfo(kind).tiny) + MARGIN
    rate = order.grammar.derivation_entropy() / length if length else 0.0
    for factor in TRIED:
        if least(order, factor * rate) >= floor:
            return factor * rate
    name = np.dtype(kind).name
    raise SpecificationError(
        f"law: derivations with weights within the range of {name} are required for its device form, found some down "
        f"to e^{least(order, rate):.0f} after {rate:.2f} nats a token were made up for; take "
        + ("float64, or the law on the host" if name == "float32" else "the law on the host")
    )
