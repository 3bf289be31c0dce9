"""Drawn strings follow the exact law of every kind of language: a chi-square test with a fixed seed."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import chisquare

from sim.languages import drawing
from sim.languages.automaton import Automaton
from sim.languages.chain import Chain
from sim.languages.drawing import drawn
from sim.languages.exact import ExactLanguage, UnavailableError
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.numerics import SpecificationError
from tests.unit.languages.small_languages import PLAIN, spoken

NUMBER = 4_000


def automaton() -> Automaton:
    with np.errstate(divide="ignore"):
        log_prob = np.log([[0.25, 0.5, 0, 0.25], [0.6, 0, 0.4, 0]])
    return Automaton(PLAIN, np.array([[-1, 1, -1, 0], [-1, -1, 0, -1]]), log_prob, 0)


def hidden() -> HiddenAutomaton:
    transitions = np.zeros((4, 2, 2))
    transitions[1] = [[0.1, 0.3], [0.2, 0.0]]
    transitions[3] = [[0.2, 0.0], [0.1, 0.1]]
    return HiddenAutomaton(PLAIN, np.array([0.3, 0.7]), transitions, np.array([0.4, 0.6]))


def ambiguous() -> ContextFree:
    rules = (Rule(0, (~0, ~0), Fraction(1, 4)), Rule(0, (1,), Fraction(1, 2)), Rule(0, (2,), Fraction(1, 4)))
    return ContextFree(PLAIN, ("S",), rules)


FEW = spoken({(): Fraction(1, 6), (1, 2): Fraction(1, 2), (2,): Fraction(0), (3,): Fraction(1, 3)})


@pytest.mark.parametrize("language", [FEW, automaton(), hidden(), ambiguous()], ids=["list", "pfsa", "hidden", "pcfg"])
def test_the_law_of_the_drawn_strings(language: ExactLanguage) -> None:
    counts = Counter(drawn(language, NUMBER, np.random.default_rng(5)))
    assert sum(counts.values()) == NUMBER
    p = {x: float(np.exp(language.log_prob(x))) for x in counts}
    assert all(p.values())
    common = [x for x in p if NUMBER * p[x] >= 10]
    rest = NUMBER - sum(counts[x] for x in common)
    expected = [NUMBER * p[x] for x in common]
    observed = [counts[x] for x in common]
    if len(common) < len(p):
        expected, observed = [*expected, NUMBER - sum(expected)], [*observed, rest]
    assert chisquare(observed, expected, sum_check=False).pvalue > 1e-3


def test_the_seed_decides() -> None:
    first, again, other = (drawn(hidden(), 50, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_endless_sequences_and_endless_work_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(PLAIN, np.array([[-1, 0, -1, -1]]), np.array([[-np.inf, 0.0, -np.inf, -np.inf]]), 0)
    with pytest.raises(UnavailableError, match="sequences never end"):
        drawn(chain, 1, np.random.default_rng(0))
    monkeypatch.setattr(drawing, "MOST_STEPS", 20)
    for language in (automaton(), ambiguous()):
        with pytest.raises(SpecificationError, match="at most 20 symbols together are required"):
            drawn(language, 100, np.random.default_rng(0))
