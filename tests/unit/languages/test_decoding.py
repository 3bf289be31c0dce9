"""Decoding transforms by hand, their identities, and what is refused."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sim.languages.automaton import Automaton
from sim.languages.decoding import Transform, decoded, min_p, temperature, top_k, top_p
from sim.languages.exact import UnavailableError
from sim.languages.finite import FiniteLanguage
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from tests.unit.languages.small_languages import PLAIN, spoken

LAW = {(): Fraction(1, 10), (1,): Fraction(2, 10), (2, 1): Fraction(3, 10), (3,): Fraction(4, 10)}
ROW = np.log([[0.1, 0.2, 0.3, 0.4]])


def walk(row: list[float]) -> Automaton:
    """One state: stop with the first probability, else come back by a, b, c."""
    with np.errstate(divide="ignore"):
        return Automaton(PLAIN, np.array([[-1, 0, 0, 0]]), np.log([row]), 0)


@pytest.mark.parametrize(
    ("transform", "kept"),
    [
        (top_k(1), [0, 0, 0, 1]),
        (top_k(3), [0, 2 / 9, 3 / 9, 4 / 9]),
        (top_p(0.4), [0, 0, 0, 1]),
        (top_p(0.41), [0, 0, 3 / 7, 4 / 7]),
        (top_p(0.9), [0, 2 / 9, 3 / 9, 4 / 9]),
        (min_p(0.5), [0, 2 / 9, 3 / 9, 4 / 9]),
        (min_p(1.0), [0, 0, 0, 1]),
        (temperature(0.0), [0, 0, 0, 1]),
        (temperature(0.5), [1 / 30, 4 / 30, 9 / 30, 16 / 30]),
    ],
)
def test_one_row_by_hand(transform: Transform, kept: list[float]) -> None:
    np.testing.assert_allclose(np.exp(transform(ROW)), [kept], atol=1e-15)


def test_of_equals_the_first_stays_and_greedy_shares() -> None:
    even = np.log(np.full((1, 4), 0.25))
    np.testing.assert_allclose(np.exp(top_k(2)(even)), [[0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(np.exp(top_p(0.5)(even)), [[0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(np.exp(temperature(0.0)(even)), [[0.25] * 4])
    np.testing.assert_allclose(np.exp(min_p(1.0)(even)), [[0.25] * 4])


@pytest.mark.parametrize("transform", [top_k(4), top_k(99), top_p(1.0), min_p(0.0), temperature(1.0)])
@pytest.mark.parametrize("language", [spoken(LAW), walk([0.4, 0.6 - 1e-13, 1e-13, 0])], ids=["list", "automaton"])
def test_identities(transform: Transform, language: FiniteLanguage | Automaton) -> None:
    """Whatever is as rare as 1e-13 included."""
    same = decoded(language, transform)
    for x in ([], [1], [2, 1], [3], [2], [1, 1]):
        assert same.log_prob(x) == pytest.approx(language.log_prob(x), abs=1e-14)


def test_heads_of_heads() -> None:
    """top-k after top-m is the smaller of the two, and temperatures multiply at every prefix."""
    language = walk([0.3, 0.1, 0.2, 0.4])
    for one, two in (
        (decoded(decoded(language, top_k(3)), top_k(2)), decoded(language, top_k(2))),
        (decoded(decoded(language, temperature(0.5)), temperature(3.0)), decoded(language, temperature(1.5))),
    ):
        for x in ([], [3], [3, 3], [2]):
            assert one.log_prob(x) == pytest.approx(two.log_prob(x), abs=1e-13)


def test_padding_and_names_change_nothing() -> None:
    renamed = {tuple({1: 2, 2: 3, 3: 1}[a] for a in x): p for x, p in reversed(LAW.items())}
    for transform in (top_p(0.55), min_p(0.4), temperature(0.7), temperature(0.0)):
        one, two = decoded(spoken(LAW), transform), decoded(spoken(renamed, length=7), transform)
        assert one.entropy() == pytest.approx(two.entropy(), abs=1e-14)
        assert one.log_prob([2, 1]) == pytest.approx(two.log_prob([3, 2]), abs=1e-14)


def test_a_list_prefix_by_prefix() -> None:
    """After a first b only a can follow, so that only the first token is a choice: 1/10, 2/10, 3/10, 4/10."""
    found = decoded(spoken(LAW), top_k(2))
    assert np.exp(found.log_prob([3])) == pytest.approx(4 / 7)
    assert np.exp(found.log_prob([2, 1])) == pytest.approx(3 / 7)
    assert found.log_prob([1]) == -math.inf


def test_strings_that_would_never_stop_are_refused() -> None:
    with pytest.raises(
        SpecificationError, match=r"^decoding: some strings would never stop, because their end is removed"
    ):
        decoded(walk([0.1, 0.2, 0.3, 0.4]), top_k(2))
    table, prob = np.array([[-1, 1, -1], [-1, 1, -1]]), np.array([[0.6, 0.4, 0], [0.1, 0.9, 0]])
    with np.errstate(divide="ignore"):
        two = Automaton(Vocabulary(("<eos>", "a", "b")), table, np.log(prob), 0)
    assert decoded(two, top_k(1)).log_prob([]) == 0.0  # the second state, which could not stop, is never reached


@pytest.mark.parametrize(
    "ask",
    [
        lambda: temperature(-1.0),
        lambda: temperature(math.nan),
        lambda: temperature(math.inf),
        lambda: top_k(0),
        lambda: top_p(0.0),
        lambda: top_p(1.1),
        lambda: min_p(-0.1),
        lambda: min_p(math.nan),
    ],
)
def test_bad_arguments(ask) -> None:
    with pytest.raises(SpecificationError, match="is required, found"):
        ask()


def test_a_grammar_has_no_finite_list_of_laws() -> None:
    grammar = ContextFree(PLAIN, ("S",), (Rule(0, (1, ~0), Fraction(1, 2)), Rule(0, (), Fraction(1, 2))))
    with pytest.raises(UnavailableError, match="infinitely many different laws of the next token"):
        decoded(grammar, top_k(1))
