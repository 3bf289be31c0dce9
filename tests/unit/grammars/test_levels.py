"""Random level-wise grammars: their form, and their entropy and length by recursion over levels."""

import math

import numpy as np
import pytest

from sim.grammars._levels import level_grammar
from sim.languages.pcfg.rules import by_lhs
from sim.numerics import SpecificationError


def test_the_form():
    grammar = level_grammar(4, 3, 2, (2, 3), seed=0)
    own = by_lhs(grammar.rules, len(grammar.nonterminals))
    assert grammar.nonterminals[0] == "root"
    assert 8 <= len(grammar.nonterminals) <= 1 + 3 * 3  # less what no derivation uses
    for name, rules in zip(grammar.nonterminals, own, strict=True):
        assert len({rule.rhs for rule in rules}) == 2
        level = 4 if name == "root" else int(name[0])
        for rule in rules:
            assert len(rule.rhs) in (2, 3)
            below = {grammar.nonterminals[~s][0] if s < 0 else "token" for s in rule.rhs}
            assert below == {str(level - 1) if level > 1 else "token"}
    for level in "321":
        sides = [
            r.rhs for name, rules in zip(grammar.nonterminals, own, strict=True) if name[0] == level for r in rules
        ]
        assert len(set(sides)) == len(sides), "right-hand sides of a level are different"
    assert 2**4 <= grammar.shape.least[0] <= grammar.longest <= 3**4


def test_sharing_makes_right_hand_sides_of_different_symbols_equal():
    rules = level_grammar(2, 2, 4, (2,), shared=True, seed=0).rules
    assert len({r.rhs for r in rules if r.lhs}) == 4 < sum(r.lhs > 0 for r in rules)


@pytest.mark.parametrize("zipf", [0.0, 1.5])
def test_entropy_and_length_level_by_level(zipf):
    grammar = level_grammar(5, 4, 3, (1, 3), zipf=zipf, seed=2)
    entropy, length = {}, {}
    own = by_lhs(grammar.rules, len(grammar.nonterminals))
    for head in reversed(range(len(own))):  # symbols come after those that use them
        law = np.array([float(r.p) for r in own[head]])
        parts = [[(0.0, 1.0) if s > 0 else (entropy[~s], length[~s]) for s in r.rhs] for r in own[head]]
        entropy[head] = -law @ np.log(law) + law @ [sum(h for h, _ in part) for part in parts]
        length[head] = law @ [sum(n for _, n in part) for part in parts]
    assert grammar.derivation_entropy() == pytest.approx(entropy[0], rel=1e-12)
    assert grammar.expected_length() == pytest.approx(length[0], rel=1e-12)
    assert (len({r.p for r in grammar.rules}) == 1) == (zipf == 0)
    assert math.isclose(sum(r.p for r in own[0]), 1.0)


def test_seeds_differ_and_repeat():
    one, same, other = (level_grammar(3, seed=seed).rules for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"depth": 0}, "depth: an integer of at least 1 is required, found 0"),
        ({"lengths": ()}, "lengths: integers of at least 1 are required, found \\[\\]"),
        ({"lengths": (0, 2)}, "found \\[0, 2\\]"),
        ({"num_symbols": 2, "num_rules": 3, "lengths": (2,)}, "at most 4 different .* exist, found 6 of a level"),
    ],
)
def test_refusals(arguments, said):
    with pytest.raises(SpecificationError, match=said):
        level_grammar(**arguments)
