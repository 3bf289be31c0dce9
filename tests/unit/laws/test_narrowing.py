"""Restricted laws against the derivations that are left, and the accounts of the restriction."""

import math
from fractions import Fraction

import numpy as np
import pytest

import sim
from sim.laws.narrowing import narrowed
from sim.numerics import SpecificationError
from tests.unit.laws.all_trees import grammar, places, trees, weight, words

WORLD = grammar(
    ("S", "A B", "1/3"), ("S", "B A A", "2/3"),
    ("A", "a b", "1/2"), ("A", "b a", "1/4"), ("A", "a", "1/4"),
    ("B", "a b", "1/5"), ("B", "b b a", "4/5"),
)  # fmt: skip
DELETED = {
    "at the root": ({"lhs": "S", "rhs": ["A", "B"]}, 0),
    "in the middle": ({"lhs": "A", "rhs": ["b", "a"]}, 3),
    "at the bottom": ({"lhs": "B", "rhs": ["a", "b"]}, 5),
}


@pytest.mark.parametrize("name", DELETED)
def test_a_deleted_rule_of_any_level(name):
    rule, number = DELETED[name]
    found = narrowed(sim.law(WORLD), "sub_grammar", rules=[rule])
    mass, strings = Fraction(0), dict[tuple[int, ...], Fraction]()
    for tree in trees(WORLD, 0):
        if number not in [place[0] for place in places(tree)]:
            mass += weight(WORLD, tree)
            strings[words(tree)] = strings.get(words(tree), Fraction(0)) + weight(WORLD, tree)
    assert 0 < mass < 1
    assert found.log_mass == pytest.approx(math.log(mass), abs=1e-14)
    assert found.shift == pytest.approx(-math.log(mass), abs=1e-14)
    assert not found.of_strings, "this grammar is ambiguous: its mass is that of derivations"
    true = [math.log(p / mass) for p in strings.values()]
    np.testing.assert_allclose(found.law.log_prob(list(strings)), true, atol=1e-14)


def test_the_probability_of_the_event_given_a_string():
    """b a a b is S -> A A with different parts, or B A A; deleting a rule leaves a part of its derivations."""
    law = sim.law(WORLD)
    found = narrowed(law, "sub_grammar", rules=[DELETED["at the bottom"][0]])
    own = [tree for tree in trees(WORLD, 0) if words(tree) == (1, 2, 1, 2, 1)]
    assert len(own) > 1
    kept = [tree for tree in own if 5 not in [place[0] for place in places(tree)]]
    true = sum(weight(WORLD, tree) for tree in kept) / sum(weight(WORLD, tree) for tree in own)
    string = [[1, 2, 1, 2, 1]]
    member = found.law.log_prob(string) + found.log_mass - law.log_prob(string)
    assert math.exp(member[0]) == pytest.approx(float(true), abs=1e-14)


def test_a_regular_event_is_one_of_strings():
    law = sim.law(WORLD)
    found = narrowed(law, "regular", pattern="a .* a")
    strings = {words(tree) for tree in trees(WORLD, 0)}
    kept = sorted(string for string in strings if string[0] == 1 and string[-1] == 1 and len(string) > 1)
    assert found.of_strings
    log_p = law.log_prob(kept)
    assert found.log_mass == pytest.approx(np.logaddexp.reduce(log_p), abs=1e-13)
    np.testing.assert_allclose(found.law.log_prob(kept), log_p - found.log_mass, atol=1e-13)
    assert (found.law.log_prob(sorted(strings - set(kept))) == -np.inf).all()
    np.testing.assert_allclose(found.law.next_token(kept).sum(axis=2), 1.0, atol=1e-13)


def test_a_tilt_is_one_of_derivations():
    law = sim.law(WORLD)
    found = narrowed(law, "sharpen", temperature=0.5)
    weights = {tree: weight(WORLD, tree) ** 2 for tree in trees(WORLD, 0)}
    total = sum(weights.values())
    string = (1, 2, 1, 2, 1)
    true = sum(p for tree, p in weights.items() if words(tree) == string) / total
    assert found.law.log_prob([string])[0] == pytest.approx(math.log(true), abs=1e-13)
    kl = sum(float(p / total) * math.log(p / total / weight(WORLD, tree)) for tree, p in weights.items())
    assert found.shift == pytest.approx(kl, abs=1e-12)
    assert found.log_mass == 0.0
    assert not found.of_strings


def test_refusals():
    law = sim.law(WORLD)
    with pytest.raises(SpecificationError, match="list its strings"):
        narrowed(law, "fraction", share=0.5)
    with pytest.raises(SpecificationError, match="a rule of the grammar is required"):
        narrowed(law, "sub_grammar", rules=[{"lhs": "A", "rhs": ["a", "a"]}])
    with pytest.raises(SpecificationError, match="it keeps no string"):
        narrowed(law, "sub_grammar", nonterminals=["B"])


def test_the_law_of_a_file_and_of_a_language(tmp_path):
    file = tmp_path / "one.yaml"
    file.write_text("type: pcfg\nstart: S\nrules: [{lhs: S, rhs: [a], p: 1/4}, {lhs: S, rhs: [b, a], p: 3/4}]\n")
    for found in (sim.law(file), sim.law(str(file)), sim.law(sim.law(file).language)):
        assert isinstance(found, sim.Law)
        np.testing.assert_allclose(np.exp(found.log_prob([[1], [2, 1], [1, 1]])), [0.25, 0.75, 0.0], atol=1e-15)
    assert found.parts == ("S -> a", "S -> b a")
    file.write_text("type: strings\nstrings: {a: 1}\n")
    with pytest.raises(SpecificationError, match="found a language of the kind FiniteLanguage"):
        sim.law(file)
