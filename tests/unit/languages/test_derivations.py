"""The likeliest derivations of grammars in which many are equally likely."""

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from sim.languages.pcfg import derivations as module
from sim.languages.pcfg.rules import Rule


def levels(depth: int) -> list[Rule]:
    """Two rules of two or three symbols for each of three non-terminals per level, all with p = 1/2, as in cfg3."""
    found = []
    for level in range(depth):
        for head in range(3):
            for shift in range(2):
                parts = [(head + shift + at) % 3 for at in range(2 + (level + head * shift) % 2)]
                last = level == depth - 1
                rhs = tuple(part + 1 if last else ~(3 * level + 3 + part) for part in parts)
                found.append(Rule(3 * level + head, rhs, Fraction(1, 2)))
    return found


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_equally_likely_derivations_are_not_all_tried(depth, monkeypatch):
    """They are told apart by rounding alone; a search that believed it would try exponentially many first."""
    rules = levels(depth)
    steps = iter(range(20 * 3**depth))
    monkeypatch.setattr(module, "count", lambda: steps)
    found = list(islice(module.derivations(rules, np.full(len(rules), np.log(1 / 2)), 3 * depth, 0), 20))
    assert len(found) == 20
    worths = np.array([worth for _, worth in found])
    assert (np.diff(worths) <= 1e-12).all()
