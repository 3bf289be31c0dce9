"""Tilts in closed form, in turn, under permutations and padding, and what is refused."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sim.languages.automaton import Automaton
from sim.languages.exact import UnavailableError
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.tilting import UnresolvedError, dial_entropy, highest_temperature, reachable, tilt, tilted
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from tests.unit.languages.small_languages import PLAIN, PROMPTED, spoken

LAW = {(): Fraction(1, 10), (1,): Fraction(2, 10), (2, 1): Fraction(3, 10), (3,): Fraction(4, 10)}
DOCUMENTS = {(1, 3): Fraction(1, 8), (1, 3, 2): Fraction(3, 8), (2, 3, 1): Fraction(1, 4), (2, 3, 2): Fraction(1, 4)}
AB = Vocabulary(("<eos>", "a", "b"))


def loop(stays: float, unreached: bool = False) -> Automaton:
    """a^n with probability stays^n (1 - stays), and if asked a state that loops twice and is never come to."""
    table = np.array([[-1, 0, -1], [-1, 1, 1]])[: 1 + unreached]
    prob = np.array([[1 - stays, stays, 0], [0.02, 0.49, 0.49]])[: 1 + unreached]
    with np.errstate(divide="ignore"):
        return Automaton(AB, table, np.log(prob), 0)


def test_a_list_by_hand() -> None:
    found, log_total = tilt(spoken(LAW), 0.5)
    assert log_total == pytest.approx(math.log(0.01 + 0.04 + 0.09 + 0.16), abs=1e-15)
    for x, p in LAW.items():
        assert found.log_prob(x) == pytest.approx(math.log(float(p) ** 2 / 0.3), abs=1e-14)


@pytest.mark.parametrize("temperature", [0.3, 1.7])
def test_a_loop_stays_a_loop(temperature: float) -> None:
    found, log_total = tilt(loop(0.5), temperature)
    stays = 0.5 ** (1 / temperature)
    assert log_total == pytest.approx((1 / temperature) * math.log(0.5) - math.log1p(-stays), abs=1e-14)
    assert found.log_prob([1, 1, 1]) == pytest.approx(3 * math.log(stays) + math.log1p(-stays), abs=1e-14)


@pytest.mark.parametrize("language", [spoken(LAW), loop(0.4)], ids=["list", "automaton"])
def test_twice_is_once_by_the_product(language: FiniteLanguage | Automaton) -> None:
    twice, once = tilt(tilt(language, 0.6)[0], 1.5)[0], tilt(language, 0.9)[0]
    for x in ([], [1], [2, 1], [3], [1, 1, 1]):
        assert twice.log_prob(x) == pytest.approx(once.log_prob(x), abs=1e-13)
    unchanged, log_total = tilt(language, 1.0)
    assert log_total == pytest.approx(0.0, abs=1e-15)
    assert unchanged.log_prob([1]) == pytest.approx(language.log_prob([1]), abs=1e-15)


def test_prompts_keep_their_law() -> None:
    found, log_total = tilt(spoken(DOCUMENTS, PROMPTED), 0.5, keep_prompts=True)
    assert math.isnan(log_total)
    assert np.exp(found.log_prob([1, 3])) == pytest.approx(0.5 * 1 / 10)
    assert np.exp(found.log_prob([1, 3, 2])) == pytest.approx(0.5 * 9 / 10)
    assert np.exp(found.log_prob([2, 3, 1])) == pytest.approx(0.25)
    assert reachable(spoken(DOCUMENTS, PROMPTED), keep_prompts=True) == pytest.approx((0.5 * math.log(2), math.log(2)))


def test_names_order_and_padding_change_nothing() -> None:
    swap = {0: 0, 1: 3, 2: 1, 3: 2}
    other = {tuple(swap[a] for a in x): p for x, p in reversed(LAW.items())}
    one, two = tilt(spoken(LAW), 0.4), tilt(spoken(other, length=9), 0.4)
    assert one[1] == pytest.approx(two[1], abs=1e-15)
    assert dial_entropy(one[0]) == pytest.approx(dial_entropy(two[0]), abs=1e-14)
    assert reachable(spoken(LAW)) == reachable(spoken(other, length=9)) == (0.0, math.log(4))


def test_states_that_are_never_reached_do_not_matter() -> None:
    """Their own sums diverge, and vanish, at temperatures at which the language's do not."""
    one, two = loop(0.4), loop(0.4, unreached=True)
    for temperature in (0.01, 1.0, 5.0):
        assert tilt(one, temperature)[1] == pytest.approx(tilt(two, temperature)[1], rel=1e-13)
    assert highest_temperature(one) == highest_temperature(two)


def test_a_low_temperature_keeps_its_digits() -> None:
    """Two strings whose logs differ by d share the mass as 1 to e^(-d/tau), however large the logs are."""
    near = np.array([-0.7, -0.7 - 1e-6, -200.0])
    near -= np.log(np.exp(near).sum())
    strings = np.array([[1, 0], [2, 0], [3, 0]], np.int32)
    found, _ = tilt(FiniteLanguage.from_strings(PLAIN, strings, near), 1e-5)
    gap = (near[0] - near[1]) / 1e-5
    assert found.log_prob([1]) == pytest.approx(-math.log1p(math.exp(-gap)), rel=1e-12)
    assert found.log_prob([2]) == pytest.approx(-gap - math.log1p(math.exp(-gap)), rel=1e-12)


def test_brackets_and_their_highest_temperature() -> None:
    p = Fraction(1, 5)
    grammar = ContextFree(AB, ("S",), (Rule(0, (1, ~0, 2, ~0), p), Rule(0, (), 1 - p)))
    more, end = 0.2 ** (1 / 1.2), 0.8 ** (1 / 1.2)
    assert tilt(grammar, 1.2)[1] == pytest.approx(math.log((1 - math.sqrt(1 - 4 * more * end)) / (2 * more)), abs=1e-13)
    assert highest_temperature(grammar) == pytest.approx(math.log(0.16) / math.log(0.25), rel=1e-6)
    with pytest.raises(SpecificationError, match=r"finite total weight is required, found 1.4; lower it \(below"):
        tilt(grammar, 1.4)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_no_temperature(temperature: float) -> None:
    with pytest.raises(SpecificationError, match="temperature: a positive number is required, found"):
        tilt(spoken(LAW), temperature)


def test_what_cannot_be_tilted() -> None:
    transitions = np.zeros((3, 1, 1))
    transitions[1] = 0.5
    hidden = HiddenAutomaton(AB, np.ones(1), transitions, np.full(1, 0.5))
    for ask in (lambda: tilt(hidden, 0.5), lambda: reachable(hidden), lambda: tilt(loop(0.5), 0.5, keep_prompts=True)):
        with pytest.raises(UnavailableError):
            ask()


def test_a_temperature_too_near_to_divergence_is_not_called_infinite():
    """Three states that nearly never stop: where the weights diverge, soon above, floats cannot always tell."""
    p = np.array(
        [[3.5782955398990722e-07, 0.26879049963133084, 0.5948402181065101, 0.13636892447401364],
         [2.5543667156343112e-10, 3.9438514988147081e-05, 0.98779067738695492, 0.012169883842620207],
         [5.1729879218548247e-10, 0.70303747585432053, 4.4891077404269003e-04, 0.29651361285433797]]
    )  # fmt: skip
    p /= p.sum(axis=1, keepdims=True)
    table = np.array([[-1, 1, 1, 1], [-1, 2, 0, 0], [-1, 1, 2, 1]])
    language = Automaton(Vocabulary(("<eos>", "a", "b", "c"), joiner=""), table, np.log(p), 0)
    limit = highest_temperature(language)
    assert limit == pytest.approx(1.0000003514, abs=1e-6)
    found = []
    for tau in np.linspace(1.00000035139, 1.0000003516, 60):
        try:
            found.append("finite" if tilted(language, tau, False) is not None else "infinite")
        except UnresolvedError as problem:
            found.append(str(problem).split(", found")[0])
    unresolved = "temperature: a value clearly below the one at which the total weight becomes infinite is required"
    assert set(found) == {"finite", unresolved}
    assert tilted(language, 1.000001, False) is None
