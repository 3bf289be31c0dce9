"""How far two languages are apart: closed forms, what is exact and what bounded, and what must not matter."""

import math
from dataclasses import fields
from fractions import Fraction

import numpy as np
import pytest

from sim.languages.automaton import Automaton
from sim.languages.exact import ExactLanguage
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.relabelled import relabelled
from sim.languages.vocabulary import Vocabulary
from sim.metrics.comparison import Divergences, divergences
from tests.unit.languages.small_languages import PLAIN, hidden, loop, spoken

FEW = 30


def rules(stays: float) -> ContextFree:
    """The same as a grammar."""
    p = Fraction(stays)
    return ContextFree(PLAIN, ("S",), (Rule(0, (1, ~0), p), Rule(0, (), 1 - p)))


def kl(a: float, b: float) -> float:
    return (a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))) / (1 - a)


def bhattacharyya(a: float, b: float) -> float:
    return math.sqrt((1 - a) * (1 - b)) / (1 - math.sqrt(a * b))


def numbers(found: Divergences) -> dict[str, float | None]:
    return {field.name: getattr(found, field.name).value for field in fields(found)}


def test_lists_by_hand() -> None:
    p, q = spoken({(1,): Fraction(1, 2), (2,): Fraction(1, 2)}), spoken({(2,): Fraction(1, 4), (1,): Fraction(3, 4)})
    found = numbers(divergences(p, q))
    assert found["kl"] == pytest.approx(0.5 * math.log(4 / 3), abs=1e-15)
    assert found["reverse_kl"] == pytest.approx(0.75 * math.log(3 / 2) - 0.25 * math.log(2), abs=1e-15)
    assert found["total_variation"] == pytest.approx(0.25)
    assert found["hellinger"] == pytest.approx(math.sqrt(1 - math.sqrt(3 / 8) - math.sqrt(1 / 8)), abs=1e-15)


def test_two_loops_in_closed_form() -> None:
    found = divergences(loop(0.5), loop(0.8), FEW)
    assert found.kl.value == pytest.approx(kl(0.5, 0.8), rel=1e-13)
    assert found.reverse_kl.value == pytest.approx(kl(0.8, 0.5), rel=1e-13)
    assert found.hellinger.value == pytest.approx(math.sqrt(1 - bhattacharyya(0.5, 0.8)), rel=1e-13)
    # P > Q exactly for n < 2: TV = P(n < 2) - Q(n < 2)
    tv = (1 - 0.5**2) - (1 - 0.8**2)
    assert found.total_variation.lower <= tv <= found.total_variation.upper
    assert found.total_variation.width < 0.01


@pytest.mark.parametrize("make_p", [loop, hidden, rules])
@pytest.mark.parametrize("make_q", [loop, hidden, rules])
def test_bounds_hold_whatever_the_kinds_are(make_p, make_q) -> None:
    found = divergences(make_p(0.5), make_q(0.25), FEW)
    assert found.kl.lower <= kl(0.5, 0.25) + 1e-12
    assert found.kl.upper >= kl(0.5, 0.25) - 1e-12
    assert found.hellinger.lower - 1e-12 <= math.sqrt(1 - bhattacharyya(0.5, 0.25)) <= found.hellinger.upper + 1e-12
    assert found.total_variation.lower <= 0.25 <= found.total_variation.upper  # P(n = 0): 0.5 against 0.75
    assert found.total_variation.width < 1e-6


def test_exchange_turns_kl_around_and_leaves_the_others() -> None:
    there, back = divergences(hidden(0.5), loop(0.25), FEW), divergences(loop(0.25), hidden(0.5), FEW)
    assert there.kl == back.reverse_kl
    for name in ("total_variation", "jensen_shannon", "hellinger", "collision"):
        one, two = getattr(there, name), getattr(back, name)
        assert (one.lower, one.upper) == pytest.approx((two.lower, two.upper), abs=1e-15)


@pytest.mark.parametrize("language", [spoken({(): Fraction(1, 3), (1, 2): Fraction(2, 3)}), loop(0.5), hidden(0.5)])
def test_nothing_is_apart_from_itself(language: ExactLanguage) -> None:
    found = divergences(language, language, FEW)
    for field in fields(found):
        if field.name != "collision":
            assert getattr(found, field.name).lower == 0.0
    assert found.collision.value == pytest.approx(language.collision(), rel=1e-14)


def test_nothing_in_common_and_something_lacking() -> None:
    short, other = spoken({(): Fraction(1)}), spoken({(2,): Fraction(1)})
    expected = {"kl": math.inf, "reverse_kl": math.inf, "total_variation": 1, "hellinger": 1, "collision": 0}
    assert numbers(divergences(short, other)) == expected | {"jensen_shannon": pytest.approx(math.log(2))}
    assert divergences(loop(0.5), short, FEW).kl.value == math.inf
    assert divergences(short, loop(0.5), FEW).kl.value == pytest.approx(math.log(2), rel=1e-14)


def test_kl_from_a_finite_language_is_exact_whatever_its_rounding() -> None:
    """Probabilities of 9/10 and 1/10 sum to a float below 1; what is missing is no string."""
    with np.errstate(divide="ignore"):
        log_prob = np.log([[0.9, 0.1, 0, 0], [1, 0, 0, 0]])
    p = Automaton(PLAIN, np.array([[-1, 1, -1, -1], [-1] * 4]), log_prob, 0)
    found = divergences(p, rules(0.5), FEW).kl
    assert found.value == pytest.approx(0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.25), rel=1e-13)


def test_names_and_padding_change_nothing() -> None:
    p, q = {(1,): Fraction(1, 2), (2, 3): Fraction(1, 2)}, {(1,): Fraction(1, 4), (): Fraction(3, 4)}
    renamed = [{tuple({1: 3, 2: 1, 3: 2}[a] for a in x): w for x, w in reversed(law.items())} for law in (p, q)]
    one = numbers(divergences(spoken(p), spoken(q)))
    two = numbers(divergences(spoken(renamed[0], length=6), spoken(renamed[1])))
    assert one == pytest.approx(two, abs=1e-15)


def test_vocabularies_must_be_the_same() -> None:
    p, q = spoken({(1,): Fraction(1)}), spoken({(2,): Fraction(1)}, Vocabulary(("<eos>", "b", "a")))
    with pytest.raises(ValueError, match="the same vocabulary is required"):
        divergences(p, q)
    assert numbers(divergences(*relabelled(p, q)))["total_variation"] == 0.0


@pytest.mark.parametrize("stays", [0.1, 0.2, 0.3])
def test_a_rest_below_the_last_digit_of_one(stays: float) -> None:
    """What the head leaves of the short language is lost in 1 - sum; the long one has 2/5 of its mass out there."""
    found = divergences(hidden(stays), hidden(0.97), FEW)
    wanted = math.sqrt(1 - bhattacharyya(stays, 0.97))
    assert found.hellinger.lower - 1e-14 <= wanted <= found.hellinger.upper + 1e-14
    assert found.reverse_kl.lower <= kl(0.97, stays)
    assert found.reverse_kl.lower > 0.2 * kl(0.97, stays)
