"""Small languages of any kind as lists; None where there are too many strings."""

from fractions import Fraction

import numpy as np
import pytest

from sim.languages.automaton import Automaton
from sim.languages.exact import ExactLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.listed import listed
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from tests.unit.languages.small_languages import PLAIN, spoken


def automaton() -> Automaton:
    """empty, a and a b."""
    with np.errstate(divide="ignore"):
        log_prob = np.log([[0.5, 0.5, 0, 0], [0.5, 0, 0.5, 0], [1, 0, 0, 0]])
    return Automaton(PLAIN, np.array([[-1, 1, -1, -1], [-1, -1, 2, -1], [-1] * 4]), log_prob, 0)


def hidden() -> HiddenAutomaton:
    transitions = np.zeros((4, 4, 4))
    transitions[1, 0, 1:3], transitions[2, 1:3, 3] = 0.25, 0.5
    return HiddenAutomaton(PLAIN, np.eye(4)[0], transitions, np.array([0.5, 0.5, 0.5, 1.0]))


def grammar() -> ContextFree:
    """Ambiguous: a has two derivations."""
    sides = [(0, ()), (0, (1,)), (0, (~1,)), (0, (1, 2)), (1, (1,))]
    weights = [Fraction(1, 2), Fraction(1, 8), Fraction(1, 8), Fraction(1, 4), Fraction(1)]
    return ContextFree(PLAIN, ("S", "T"), tuple(Rule(*side, p) for side, p in zip(sides, weights, strict=True)))


@pytest.mark.parametrize("language", [automaton(), hidden(), grammar()], ids=["automaton", "hidden", "grammar"])
def test_all_strings_of_a_finite_language(language: ExactLanguage) -> None:
    found = listed(language)
    assert found is not None
    laws = {(): 0.5, (1,): 0.25, (1, 2): 0.25}
    assert {x: pytest.approx(np.exp(found.log_prob(x))) for x in laws} == laws
    assert found.support_size == 3
    assert listed(language, 3) is not None
    assert listed(language, 2) is None


def test_one_string_is_more_than_none() -> None:
    empty = ContextFree(PLAIN, ("S",), (Rule(0, (), Fraction(1)),))
    assert listed(empty, 1) is not None
    assert listed(empty, 0) is None


def test_a_list_is_itself() -> None:
    language = spoken({(1,): Fraction(1, 2), (2,): Fraction(1, 2), (3,): Fraction(0)})
    assert listed(language, 2) is language
    assert listed(language, 1) is None


def test_infinitely_many() -> None:
    endless = Automaton(PLAIN, np.array([[-1, 0, 0, 0]]), np.log([[0.25] * 4]), 0)
    assert listed(endless) is None
    rules = (Rule(0, (1, ~0), Fraction(1, 2)), Rule(0, (), Fraction(1, 2)))
    assert listed(ContextFree(PLAIN, ("S",), rules)) is None
