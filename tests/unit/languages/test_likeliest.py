"""The likeliest strings in order, of every kind, with and without proof."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sim.languages import likeliest as likeliest_module
from sim.languages.automaton import Automaton
from sim.languages.exact import ExactLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.likeliest import likeliest
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.vocabulary import Vocabulary
from tests.unit.languages.small_languages import PLAIN, spoken


def automaton() -> Automaton:
    """Stop 0.2, a 0.7, b 0.1, and on."""
    with np.errstate(divide="ignore"):
        return Automaton(PLAIN, np.array([[-1, 0, 0, -1]]), np.log([[0.2, 0.7, 0.1, 0]]), 0)


def hidden() -> HiddenAutomaton:
    transitions = np.zeros((4, 2, 2))
    transitions[1], transitions[2] = 0.35, 0.05
    return HiddenAutomaton(PLAIN, np.full(2, 0.5), transitions, np.full(2, 0.2))


def grammar() -> ContextFree:
    sides = {(1, ~0): Fraction(7, 10), (2, ~0): Fraction(1, 10), (): Fraction(1, 5)}
    return ContextFree(PLAIN, ("S",), tuple(Rule(0, side, p) for side, p in sides.items()))


@pytest.mark.parametrize("language", [automaton(), hidden(), grammar()], ids=["automaton", "hidden", "grammar"])
def test_the_same_head_of_three_kinds(language: ExactLanguage) -> None:
    found = likeliest(language, 8)
    assert found.proved
    strings = [x for x, _ in found.strings]
    assert strings[:5] == [(), (1,), (1, 1), (1, 1, 1), (1,) * 4]
    for x, log_p in found.strings:
        expected = math.log(0.2) + x.count(1) * math.log(0.7) + x.count(2) * math.log(0.1)
        assert log_p == pytest.approx(expected, abs=1e-12)
    assert [p for _, p in found.strings] == sorted((p for _, p in found.strings), reverse=True)


def test_a_list_in_order_without_what_is_impossible() -> None:
    law = {(1,): Fraction(1, 4), (2,): Fraction(0), (3,): Fraction(1, 2), (1, 2): Fraction(1, 4)}
    found = likeliest(spoken(law), 9)
    assert [x for x, _ in found.strings] == [(3,), (1,), (1, 2)]
    padded = likeliest(spoken(law, length=9), 9)
    assert padded == found


def test_renamed_states_give_the_same_strings() -> None:
    with np.errstate(divide="ignore"):
        log_prob = np.log([[0.4, 0.6, 0, 0], [0.1, 0.3, 0.6, 0]])
    one = Automaton(PLAIN, np.array([[-1, 1, -1, -1], [-1, 0, 1, -1]]), log_prob, 0)
    two = Automaton(PLAIN, np.array([[-1, 1, 0, -1], [-1, 0, -1, -1]]), log_prob[::-1], 1)
    first, second = likeliest(one, 10), likeliest(two, 10)
    assert [p for _, p in first.strings] == pytest.approx([p for _, p in second.strings], abs=1e-14)


def test_derivations_of_a_string_are_added_up() -> None:
    """a has two derivations of 3/10, which beat the one of b of 4/10."""
    sides = [(0, (1,)), (0, (~1,)), (0, (2,)), (1, (1,))]
    weights = [Fraction(3, 10), Fraction(3, 10), Fraction(4, 10), Fraction(1)]
    rules = tuple(Rule(*side, p) for side, p in zip(sides, weights, strict=True))
    found = likeliest(ContextFree(PLAIN, ("S", "T"), rules), 1)
    assert found.proved
    assert found.strings == (((1,), pytest.approx(math.log(0.6))),)


def test_among_very_many_equal_strings_the_search_goes_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    """64²⁰ strings of one probability: a few steps for each string that is wanted, not one for each prefix."""
    depth, width = 20, 64
    vocabulary = Vocabulary(("<eos>", *(f"s{i}" for i in range(width))))
    following = np.full((depth + 1, width + 1), -1)
    log_p = np.full((depth + 1, width + 1), -np.inf)
    following[:depth, 1:] = np.arange(1, depth + 1)[:, None]
    log_p[:depth, 1:], log_p[depth, 0] = -math.log(width), 0.0
    expanded = 0
    plain = likeliest_module._automaton

    def counting(language: Automaton) -> Any:
        root, expand = plain(language)

        def counted(node: Any) -> Any:
            nonlocal expanded
            expanded += 1
            return expand(node)

        return root, counted

    monkeypatch.setattr(likeliest_module, "_automaton", counting)
    found = likeliest(Automaton(vocabulary, following, log_p, 0), 10)
    assert len({tokens for tokens, _ in found.strings}) == 10
    assert all(log == pytest.approx(-depth * math.log(width)) for _, log in found.strings)
    assert expanded <= 10 * (depth + 1)
