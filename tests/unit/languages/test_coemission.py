"""C(P, Q) = sum of P(x) Q(x): closed forms for every pair of kinds, symmetry, and what is refused."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from sim.languages import coemission as module
from sim.languages.automaton import Automaton
from sim.languages.coemission import coemission
from sim.languages.exact import ExactLanguage, UnavailableError
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from tests.unit.languages.small_languages import PLAIN, hidden, loop, spoken


def ambiguous(stays: float) -> ContextFree:
    """The same as a grammar with two derivations of every string but the empty one: S -> a S, S -> T, T -> a S."""
    p = Fraction(stays)
    rules = ((0, (1, ~0), p / 2), (0, (~1,), p / 2), (0, (), 1 - p), (1, (1, ~0), Fraction(1)))
    return ContextFree(PLAIN, ("S", "T"), tuple(Rule(*rule) for rule in rules))


def brackets(p: Fraction) -> ContextFree:
    """S -> a S b S with probability p, S -> empty."""
    return ContextFree(PLAIN, ("S",), (Rule(0, (1, ~0, 2, ~0), p), Rule(0, (), 1 - p)))


KINDS = [loop, hidden, ambiguous]


@pytest.mark.parametrize(("make_p", "make_q"), [pair for pair in product(KINDS, KINDS) if pair != (ambiguous,) * 2])
def test_geometric_languages_by_the_closed_form(make_p, make_q) -> None:
    """sum of (s t)^n (1 - s)(1 - t) = (1 - s)(1 - t) / (1 - s t)."""
    s, t = 0.5, 0.75
    wanted = (1 - s) * (1 - t) / (1 - s * t)
    assert coemission(make_p(s), make_q(t)) == pytest.approx(wanted, rel=1e-14)


@pytest.mark.parametrize("language", [loop(1 - 1e-9), hidden(1 - 2.0**-30)])
def test_nearly_certain_machines_lose_no_digits(language: ExactLanguage) -> None:
    assert coemission(language, language) == pytest.approx(language.collision(), rel=1e-14)


def test_brackets_and_an_automaton_by_enumeration() -> None:
    """The automaton emits a or b with 0.4 each, so that a string of n symbols has the probability 0.4^n / 5."""
    with np.errstate(divide="ignore"):
        machine = Automaton(PLAIN, np.array([[-1, 0, 0, -1]]), np.log([[0.2, 0.4, 0.4, 0]]), 0)
    grammar = brackets(Fraction(3, 10))
    law = grammar.lengths.law(400)
    wanted = float((law * 0.4 ** np.arange(400)).sum()) * 0.2
    assert coemission(grammar, machine) == pytest.approx(wanted, rel=1e-13)
    assert coemission(machine, grammar) == pytest.approx(wanted, rel=1e-13)


def test_a_critical_grammar_of_the_empty_string() -> None:
    """Its weights must stay exact: rounded up, the derivations of the empty string would diverge."""
    few = Fraction(1, 8002)
    rules = Rule(0, (~0, ~0), few), Rule(0, (~0,), 1 - 2 * few), Rule(0, (), few)
    assert coemission(ContextFree(PLAIN, ("S",), rules), loop(0.25)) == pytest.approx(0.75, rel=1e-14)


def test_a_list_with_every_kind() -> None:
    few = spoken({(): Fraction(1, 2), (1, 1): Fraction(1, 4), (2,): Fraction(1, 4)})
    for make in KINDS:
        assert coemission(few, make(0.5)) == pytest.approx(0.5 * 0.5 + 0.25 * 0.125, rel=1e-14)
        assert coemission(make(0.5), few) == coemission(few, make(0.5))


def test_nothing_in_common_gives_zero() -> None:
    other = Automaton(PLAIN, np.array([[-1, -1, 1, -1], [-1, -1, 1, -1]]), LOGS, 0)
    for make in KINDS:
        assert coemission(make(0.5), other) == 0.0


with np.errstate(divide="ignore"):
    LOGS = np.log([[0.0, 0, 1, 0], [0.5, 0, 0.5, 0]])


def test_what_is_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError, match="no method is known for two infinite grammars"):
        coemission(brackets(Fraction(1, 4)), brackets(Fraction(1, 4)))
    other = Automaton(Vocabulary(("<eos>", "a")), np.array([[-1, 0]]), np.log([[0.5, 0.5]]), 0)
    with pytest.raises(SpecificationError, match="same vocabulary are required"):
        coemission(loop(0.5), other)
    monkeypatch.setattr(module, "MAX_PAIRS", 3)
    with pytest.raises(UnavailableError, match="at most 3 pairs of states"):
        coemission(hidden(0.5), hidden(0.5))
    monkeypatch.setattr(module, "MAX_TRIPLES", 1)
    with pytest.raises(UnavailableError, match="over 1 non-terminals"):
        coemission(brackets(Fraction(1, 4)), hidden(0.5))
