"""A rule with another probability: KL(S||P) by summing over all strings, and by the derivations of a large grammar."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import yaml

from sim.config import construct
from sim.grammars._levels import level_grammar
from sim.grammars.english import english
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Narrowed, Restricted
from sim.laws.reading import law
from sim.numerics import SpecificationError
from sim.restrictions.reweighted import divergence, label, reweighted
from tests.composed import compose
from tests.unit.laws.all_trees import grammar

TINY = grammar(
    ("S", "A B", "1/3"), ("S", "B A A", "2/3"),
    ("A", "a b", "1/2"), ("A", "b", "1/4"), ("A", "a", "1/4"),
    ("B", "c", "1/5"), ("B", "c c", "4/5"), tokens="abc",
)  # fmt: skip
RULES = [("S", "A B"), ("A", "b"), ("A", "a b"), ("B", "c c")]


def kl(s: FiniteLanguage, p: FiniteLanguage) -> float:
    return float(sum(math.exp(a) * (a - b) for a, b in zip(s.log_p, p.log_p, strict=True) if a > -math.inf))


@pytest.mark.parametrize("change", ["rarer", "more frequent"])
@pytest.mark.parametrize(("lhs", "rhs"), RULES)
def test_the_divergence_is_the_one_that_was_asked_for(lhs: str, rhs: str, change: Any) -> None:
    listed = TINY.enumerate(8, 100)[0]
    found = reweighted(listed, rule={"lhs": lhs, "rhs": rhs.split()}, shift=0.15, change=change)
    assert isinstance(found, Restricted)
    assert math.fsum(np.exp(found.s.log_p)) == pytest.approx(1.0, abs=1e-12)
    assert kl(found.s, listed) == pytest.approx(0.15, rel=1e-9)
    large = reweighted(TINY, rule={"lhs": lhs, "rhs": rhs.split()}, shift=0.15, change=change)
    assert isinstance(large, Narrowed)
    assert large.narrowing == pytest.approx(0.15, rel=1e-12)
    assert large.of_strings
    own = large.s.enumerate(8, 100)[0]
    assert own.log_p == pytest.approx(found.s.log_p, abs=1e-12)
    number = [TINY.shown(rule) for rule in TINY.rules].index(f"{lhs} -> {rhs}")
    assert (found.notes["probability"] < TINY.rules[number].p) == (change == "rarer")


def test_a_rule_is_named_in_three_ways() -> None:
    ways: list[Any] = [{"lhs": "A", "rhs": ["b"]}, {"lhs": "A", "number": 1}, "A -> b"]
    first, *others = [reweighted(TINY, rule=way, shift=0.1) for way in ways]
    assert all(one.notes == first.notes for one in others)
    assert [label(rule=way, shift=0.1) for way in ways] == [
        "with A → b rarer by 0.1 nat", "with rule 1 of A rarer by 0.1 nat", "with A → b rarer by 0.1 nat"
    ]  # fmt: skip
    with pytest.raises(SpecificationError, match=r"a rule of the grammar is required, found 'A -> c'"):
        reweighted(TINY, rule="A -> c")


@pytest.mark.parametrize("rule", ["{lhs: noun, number: 1}", "{lhs: noun, rhs: [dog]}"])
def test_a_rule_of_the_command_line_takes_the_place_of_the_default(rule: str) -> None:
    chosen = compose("grammar=file", "restriction=reweighted", f"restriction.rule={rule}")["restriction"]
    assert chosen["rule"] == yaml.safe_load(rule)


def test_siblings_keep_their_proportions() -> None:
    found = reweighted(TINY, rule={"lhs": "A", "rhs": ["b"]}, shift=0.1)
    assert isinstance(found, Narrowed)
    own = {found.s.shown(rule): rule.p for rule in found.s.rules}  # type: ignore[attr-defined]
    assert own["A -> a b"] / own["A -> a"] == 2
    assert sum((own[f"A -> {rhs}"] for rhs in ("a b", "a", "b")), Fraction(0)) == 1


def test_every_level_of_a_large_grammar_can_be_changed_equally() -> None:
    """KL of derivations by another route: the mean of log S - log P over strings of S, each of one derivation."""
    language = level_grammar()
    p = law(language)
    for lhs in language.nonterminals:
        first = next(one for one in language.rules if language.nonterminals[one.lhs] == lhs)
        rhs = language.shown(first).partition(" -> ")[2].split()
        found = construct("restriction", {"kind": "reweighted", "rule": {"lhs": lhs, "rhs": rhs}, "shift": 0.2},
                          "restriction", language)  # fmt: skip
        assert found.narrowing == pytest.approx(0.2, rel=1e-12)
        assert found.notes["uses"] == pytest.approx(language.visits[first.lhs])
    s = law(found.s)
    strings = s.sample(np.random.default_rng(0), 2000)
    ratio = s.log_prob(strings) - p.log_prob(strings)
    assert abs(ratio.mean() - 0.2) < 5 * ratio.std() / math.sqrt(len(ratio))


def test_two_outcomes_have_a_divergence() -> None:
    assert divergence(0.5, 0.5) == 0.0
    assert divergence(0.0, 0.25) == pytest.approx(-math.log(0.75))
    assert divergence(1.0, 0.25) == pytest.approx(-math.log(0.25))


REFUSED = {
    "shift": ({"rule": {"lhs": "S", "rhs": ["A", "B"]}, "shift": 0.5}, "restriction.shift: less than 0.4055 nat"),
    "nearly all": (
        {"rule": {"lhs": "S", "rhs": ["A", "B"]}, "shift": 0.405465108108},
        "a probability of at least 1e-12",
    ),
    "unknown": ({"rule": {"lhs": "S", "rhs": ["A"]}}, "restriction.rules: a rule of the grammar is required"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(case: str) -> None:
    arguments, said = REFUSED[case]
    with pytest.raises(SpecificationError, match=said):
        reweighted(TINY, **arguments)


def test_a_recursive_rule_and_a_rule_alone_are_refused() -> None:
    nested = grammar(("S", "a S b", "1/3"), ("S", "", "2/3"))
    with pytest.raises(SpecificationError, match="does not occur in what it derives"):
        reweighted(nested, rule={"lhs": "S", "rhs": ["a", "S", "b"]})
    alone = grammar(("S", "A", "1"), ("A", "a", "1/2"), ("A", "b", "1/2"))
    with pytest.raises(SpecificationError, match="a symbol with several rules"):
        reweighted(alone, rule={"lhs": "S", "rhs": ["A"]})
    listed = english(num_prompts=1)
    with pytest.raises(SpecificationError, match="a context-free grammar"):
        reweighted(listed, rule={"lhs": "S", "rhs": ["A"]})
