"""The dial to an entropy: met, unchanged by names and padding, and refused with the reason."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sim.languages.automaton import Automaton
from sim.languages.dial import dial
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.tilting import dial_entropy
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from tests.unit.languages.small_languages import PLAIN, PROMPTED, spoken

LAW = {(): Fraction(1, 10), (1,): Fraction(2, 10), (2, 1): Fraction(3, 10), (3,): Fraction(4, 10)}
AB = Vocabulary(("<eos>", "a", "b"))


def brackets(p: Fraction = Fraction(1, 5)) -> ContextFree:
    return ContextFree(AB, ("S",), (Rule(0, (1, ~0, 2, ~0), p), Rule(0, (), 1 - p)))


@pytest.mark.parametrize("wanted", [0.05, 0.9, 1.2, 1.38])
def test_the_entropy_is_met(wanted: float) -> None:
    found, tau = dial(spoken(LAW), wanted)
    weights = np.array([float(p) for p in LAW.values()]) ** (1 / tau)
    law = weights / weights.sum()
    assert -(law * np.log(law)).sum() == pytest.approx(wanted, abs=1e-9)
    assert found.entropy() == pytest.approx(wanted, abs=1e-9)
    assert (tau > 1) == (wanted > spoken(LAW).entropy())


def test_two_strings_have_the_temperature_of_a_coin() -> None:
    """H(q) with q / (1 - q) = 3^(1/tau)."""
    q = 0.9
    wanted = -q * math.log(q) - (1 - q) * math.log(1 - q)
    _, tau = dial(spoken({(1,): Fraction(3, 4), (2,): Fraction(1, 4)}), wanted)
    assert tau == pytest.approx(math.log(3) / math.log(9), rel=1e-8)


def test_what_is_there_already_is_returned() -> None:
    language = spoken(LAW)
    assert dial(language, language.entropy()) == (language, 1.0)


def test_per_token() -> None:
    found, _ = dial(brackets(), 0.4, per="token")
    assert dial_entropy(found) / (found.expected_length() + 1) == pytest.approx(0.4, abs=1e-9)


def test_per_token_on_the_other_side_of_where_the_sum_diverges() -> None:
    """Nearly endless: hotter by 5 % there is no law, and every cooler one is shorter, with more entropy per token."""
    nearly = Automaton(PLAIN, np.array([[-1, 0, 0, 0]]), np.log([[0.0072, 0.925, 0.0668, 0.001]]), 0)
    found, tau = dial(nearly, 0.4, per="token")
    assert dial_entropy(found, per="token") == pytest.approx(0.4, abs=1e-9)
    assert 0.5 < tau < 0.8


def test_answers_given_the_prompt() -> None:
    law = {(1, 3): Fraction(1, 8), (1, 3, 2): Fraction(3, 8), (2, 3, 1): Fraction(1, 2)}
    found, _ = dial(spoken(law, PROMPTED), 0.1, keep_prompts=True)
    assert np.exp(found.prompts.log_p) == pytest.approx([0.5, 0.5])
    assert dial_entropy(found, keep_prompts=True) == pytest.approx(0.1, abs=1e-9)


def test_names_order_and_padding_change_nothing() -> None:
    swap = {0: 0, 1: 2, 2: 3, 3: 1}
    other = {tuple(swap[a] for a in x): p for x, p in reversed(LAW.items())}
    assert dial(spoken(LAW), 0.7)[1] == pytest.approx(dial(spoken(other, length=8), 0.7)[1], rel=1e-9)


@pytest.mark.parametrize("wanted", [-1.0, 0.0, math.log(4), 9.0])
def test_out_of_range(wanted: float) -> None:
    with pytest.raises(SpecificationError, match=r"^place: .* lie between 0 and 1.38629 nats per string, found"):
        dial(spoken(LAW), wanted, place="place")


def test_an_even_list_has_one_entropy() -> None:
    even = spoken({(1,): Fraction(1, 2), (2,): Fraction(1, 2)})
    with pytest.raises(SpecificationError, match=r"lie between 0.693147 and 0.693147 nats per string, found 0.5"):
        dial(even, 0.5)


def test_per_token_beyond_where_the_sum_diverges() -> None:
    """The entropy per string grows without bound there, the one per token does not: the nearest one is named."""
    with pytest.raises(
        SpecificationError, match=r"found 1.7 per token; the nearest entropy that was reached is 0.6931"
    ):
        dial(brackets(), 1.7, per="token")
    assert dial(brackets(), 30.0)[0].derivation_entropy() == pytest.approx(30.0, abs=1e-9)


def test_near_ties_colder_than_any_temperature() -> None:
    """The likeliest differ by 1e-9: below log 2 every temperature would have to be under e^-12."""
    near = spoken({(1,): Fraction(1, 2) + Fraction(1, 10**9), (2,): Fraction(1, 2) - Fraction(1, 10**9)})
    with pytest.raises(SpecificationError, match=r"from e\^-12 to e\^12 .* found 0.3 per string; the nearest"):
        dial(near, 0.3)


def test_a_critical_grammar_is_cooled() -> None:
    """Its entropy and its length are infinite, so that it has no entropy per token; its tilts below 1 have."""
    critical = brackets(Fraction(1, 2))
    assert dial_entropy(dial(critical, 0.5, per="token")[0], per="token") == pytest.approx(0.5, abs=1e-9)
    assert dial_entropy(dial(critical, 5.0)[0]) == pytest.approx(5.0, abs=1e-9)


@pytest.mark.parametrize("wanted", [math.nan, math.inf])
def test_no_number(wanted: float) -> None:
    with pytest.raises(SpecificationError, match="a finite number of nats is required"):
        dial(brackets(), wanted)
