"""Two languages over the symbols of both: names count, numbers and the name of the end do not."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sim.languages.automaton import Automaton
from sim.languages.chain import Chain
from sim.languages.exact import ExactLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.relabelled import relabelled
from sim.languages.vocabulary import Vocabulary
from tests.unit.languages.small_languages import PLAIN, spoken

OTHER = Vocabulary(("<end>", "x", "a"))


def automaton() -> Automaton:
    return Automaton(OTHER, np.array([[-1, 0, 0]]), np.log([[0.5, 0.3, 0.2]]), 0)


def hidden() -> HiddenAutomaton:
    transitions = np.array([[[0.0]], [[0.3]], [[0.2]]])
    return HiddenAutomaton(OTHER, np.ones(1), transitions, np.full(1, 0.5))


def grammar() -> ContextFree:
    sides = {(1, ~0): Fraction(3, 10), (2, ~0): Fraction(1, 5), (): Fraction(1, 2)}
    return ContextFree(OTHER, ("S",), tuple(Rule(0, side, p) for side, p in sides.items()))


@pytest.mark.parametrize("language", [automaton(), hidden(), grammar()], ids=["automaton", "hidden", "grammar"])
def test_probabilities_follow_the_names(language: ExactLanguage) -> None:
    p, q = relabelled(spoken({(1,): Fraction(1, 4), (2, 3): Fraction(3, 4)}), language)
    assert p.vocabulary.symbols == q.vocabulary.symbols == ("<eos>", "a", "b", "c", "x")
    assert np.exp(p.log_prob([2, 3])) == pytest.approx(0.75)
    assert np.exp(q.log_prob(q.vocabulary.encode(["a", "x"]))) == pytest.approx(0.5 * 0.2 * 0.3)
    assert q.log_prob([2]) == -np.inf
    for one in (p, q):
        assert np.exp(one.next_log_probs([])).sum() == pytest.approx(1.0)
    assert q.expected_length() == pytest.approx(language.expected_length())


def test_a_chain_that_never_stops_gets_the_new_symbols_too() -> None:
    log_prob = np.array([[-np.inf, math.log(0.25), math.log(0.75)]])
    chain = Chain(Vocabulary(("<eos>", "x", "a")), np.array([[-1, 0, 0]]), log_prob, 0)
    other = Chain(Vocabulary(("<end>", "a", "b")), np.array([[-1, 0, 0]]), log_prob, 0)
    p, q = relabelled(chain, other)
    assert isinstance(p, Chain)
    assert p.vocabulary.symbols == q.vocabulary.symbols == ("<eos>", "x", "a", "b")
    assert np.exp(p.next_log_probs([])).tolist() == pytest.approx([0, 0.25, 0.75, 0])
    assert np.exp(q.next_log_probs([])).tolist() == pytest.approx([0, 0, 0.25, 0.75])
    assert p.entropy_rate() == pytest.approx(chain.entropy_rate(), rel=1e-15)


def test_the_same_vocabulary_is_left_alone() -> None:
    p, _ = relabelled(language := spoken({(1,): Fraction(1, 4), (2, 3): Fraction(3, 4)}), language)
    assert p.vocabulary.symbols == PLAIN.symbols
    assert p.log_p.tolist() == language.log_p.tolist()


def test_strings_of_probability_zero_are_dropped() -> None:
    p, _ = relabelled(spoken({(1,): Fraction(1), (2,): Fraction(0)}), automaton())
    assert p.trie.num_strings == 1
