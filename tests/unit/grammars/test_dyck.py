"""Balanced brackets against an independent recursion over Dyck words, and against closed forms."""

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from sim.config import construct
from sim.grammars.dyck import dyck, dyck_automaton
from sim.languages.finite import FiniteLanguage
from sim.numerics import SpecificationError

VARIANTS = [
    {},
    {"num_kinds": 1, "max_depth": 8, "min_length": 0, "length": 15},
    {"num_kinds": 3, "max_depth": 2, "p_open": 0.7, "stop": 0.2, "min_length": 6, "length": 9, "zipf": 0.0},
    {"num_kinds": 2, "max_depth": 1, "p_open": 0.5, "stop": 0.25, "min_length": 2, "length": 10, "zipf": 2.0},
    {"num_kinds": 5, "max_depth": 4, "stop": 1.0, "min_length": 1, "length": 7},
]
DEFAULTS = {"num_kinds": 2, "max_depth": 3, "p_open": 0.3, "stop": 0.5, "min_length": 4, "zipf": 1.0, "length": 11}
BRACKETS = ["()", "[]", "{}", "<>", ("(5", ")5")]


def words(pairs: int, depth: int, kinds: int) -> Iterator[list[tuple[int, int]]]:
    """Every Dyck word of so many pairs, at most so deep, as (kind, +1 or -1): open, inside, close, rest."""
    if pairs == 0:
        yield []
        return
    for inside in range(pairs if depth > 0 else 0):
        for within in words(inside, depth - 1, kinds):
            for rest in words(pairs - 1 - inside, depth, kinds):
                for kind in range(kinds):
                    yield [(kind, 1), *within, (kind, -1), *rest]


def probability(word: list[tuple[int, int]], settings: dict) -> Fraction:
    """Read off the heights of the word: what could have happened at each symbol."""
    weights = [Fraction((kind + 1) ** -settings["zipf"]) for kind in range(settings["num_kinds"])]
    stop, opening = Fraction(settings["stop"]), Fraction(settings["p_open"])
    p, height = Fraction(1), 0
    for t, (kind, step) in enumerate(word):
        if height == 0 and t >= settings["min_length"]:
            p *= 1 - stop
        elif 0 < height < settings["max_depth"]:
            p *= opening if step > 0 else 1 - opening
        p *= weights[kind] / sum(weights) if step > 0 else 1
        height += step
    return p * stop


def brute_force(arguments: dict) -> dict[str, Fraction]:
    settings = DEFAULTS | arguments
    found = {}
    for pairs in range(settings["length"] // 2 + 1):
        if not settings["min_length"] <= 2 * pairs < settings["length"]:
            continue
        for word in words(pairs, settings["max_depth"], settings["num_kinds"]):
            p = probability(word, settings)
            if p > 0:
                found[" ".join(BRACKETS[kind][step < 0] for kind, step in word)] = p
    return found


@pytest.mark.parametrize("arguments", VARIANTS)
def test_probabilities_by_a_recursion_over_words(arguments: dict) -> None:
    language, notes = dyck(**arguments)
    expected = brute_force(arguments)
    mass = sum(expected.values())
    written = [language.vocabulary.decode(string) for string in language.trie.strings]
    assert set(written) == set(expected)
    assert len(written) == language.support_size == len(expected)
    found = dict(zip(written, language.log_p, strict=True))
    for word, p in expected.items():
        assert found[word] == pytest.approx(math.log(p / mass), abs=1e-11)
    assert notes == {"dropped_mass": pytest.approx(float(1 - mass), abs=1e-12)}


@pytest.mark.parametrize("kinds", [1, 2, 3])
def test_catalan_numbers(kinds: int) -> None:
    """As deep as it is long, there are Catalan(n) kinds^n words of n pairs, and none of odd length."""
    counts = dyck_automaton(num_kinds=kinds, max_depth=5, min_length=0).counts(11)
    assert counts == [0 if n % 2 else math.comb(n, n // 2) // (n // 2 + 1) * kinds ** (n // 2) for n in range(11)]


def test_number_of_bounded_words() -> None:
    """Dyck paths of height at most 3: the odd Fibonacci numbers."""
    assert dyck_automaton(num_kinds=1, min_length=0).counts(13)[::2] == [1, 1, 2, 5, 13, 34, 89]


def test_entropy_of_flat_words_in_closed_form() -> None:
    """One level: a geometric number of independent pairs."""
    stop, kinds = 0.3, np.array([1, 1 / 2, 1 / 3]) / (11 / 6)
    automaton = dyck_automaton(num_kinds=3, max_depth=1, stop=stop, min_length=2)
    number = -((1 - stop) * math.log(1 - stop) + stop * math.log(stop)) / stop
    assert automaton.entropy() == pytest.approx(-(kinds @ np.log(kinds)) / stop + number, rel=1e-13)
    assert automaton.expected_length() == pytest.approx(2 / stop, rel=1e-13)


def test_expected_length_of_deep_words() -> None:
    """E of a group at most d deep is 2 + E(groups inside) E(group one level less deep); groups are geometric."""
    inside = 0.3 / 0.7
    group = 2.0
    for _ in range(2):
        group = 2 + inside * group
    assert dyck_automaton(stop=0.5, min_length=2).expected_length() == pytest.approx(2 * group, rel=1e-13)


def test_what_may_follow_a_prefix() -> None:
    language, _ = dyck()
    opened = np.exp(_next(language, "( [ ("))
    assert opened[language.vocabulary.index(")")] == pytest.approx(1), "the deepest bracket closes"
    assert _next(language, "( )")[0] == -np.inf, "shorter than min_length"
    assert _next(language, "( ) ( )")[0] > -np.inf
    assert _next(language, "( [")[language.vocabulary.index(")")] == -np.inf


def _next(language: FiniteLanguage, prefix: str) -> np.ndarray:
    return language.next_log_probs(language.vocabulary.encode(prefix.split()))


def test_a_seed_keeps_the_strings_and_gives_every_stack_a_law_of_its_own() -> None:
    plain, (one, notes), (other, _) = dyck()[0], dyck(seed=1), dyck(seed=2)
    for drawn in (one, other):
        np.testing.assert_array_equal(drawn.trie.strings, plain.trie.strings)
    assert min(np.abs(a.log_p - b.log_p).max() for a, b in [(plain, one), (plain, other), (one, other)]) > 0.3
    assert (dyck(seed=1)[0].log_p == one.log_p).all()
    assert 0 < notes["dropped_mass"] < 0.5
    automaton = dyck_automaton(seed=1)
    index = automaton.vocabulary.index
    openings, kinds = [], []
    for stack in ("(", "[", "( [", "[ [", "( ("):
        law = np.exp(automaton.next_log_probs(automaton.vocabulary.encode(stack.split())))
        assert law.sum() == pytest.approx(1, abs=1e-13)
        opens = law[[index("("), index("[")]]
        assert law[index(")" if stack[-1] == "(" else "]")] == pytest.approx(1 - opens.sum(), abs=1e-13)
        openings.append(math.log(opens.sum() / (1 - opens.sum())) - math.log(0.3 / 0.7))
        kinds.append(opens[0] / opens[1])
    assert len({round(one, 9) for one in openings}) == len({round(one, 9) for one in kinds}) == 5
    assert max(map(abs, openings)) <= 0.5
    assert all(1.5 <= max(ratio, 1 / ratio) <= 2 for ratio in kinds), "Zipf's law of two kinds with an offset below 1"


def test_names_of_stacks() -> None:
    names = dyck_automaton(num_kinds=5, max_depth=2, min_length=0).state_names
    assert names[:3] == ("nothing open", "(", "[")
    assert "(5 (5" in names
    assert len(names) == 1 + 5 + 25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_kinds": 0}, "grammar.num_kinds: an integer of at least 1 is required, found 0"),
        ({"max_depth": 0}, "grammar.max_depth: an integer of at least 1 is required, found 0"),
        ({"p_open": 1}, "grammar.p_open: a number between 0 and 1, both excluded, is required, found 1"),
        ({"stop": 0}, "grammar.stop: a number from 0 to 1, 0 excluded, is required, found 0"),
        (
            {"max_depth": 9},
            "grammar: a machine of at most 1000 states is required, found 1023; reduce max_depth, num_k",
        ),
        ({"seed": -1}, "grammar.seed: an integer of at least 0 or null is required, found -1"),
        ({"length": 4}, "grammar: dyck: length must be at least 5, the shortest string and its end, found 4"),
        ({"length": 21}, "grammar: length: at most 1000000 strings are listed, found .*; lower it or reduce num_kinds"),
    ],
)
def test_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "dyck", **arguments}, "grammar")
    assert "\n" not in str(caught.value)
