"""Random deterministic automata against walks in fractions, against closed forms, and by their shape."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from sim.config import construct
from sim.grammars.pfsa import pfsa, pfsa_automaton
from sim.languages.automaton import Automaton
from sim.numerics import SpecificationError

VARIANTS = [
    {"length": 7},
    {"num_states": 3, "num_symbols": 3, "arcs": 3, "stop": 0.5, "min_length": 0, "length": 6, "seed": 5},
    {"num_states": 9, "num_symbols": 2, "arcs": 2, "stop": 0.2, "min_length": 1, "length": 8, "zipf": 0.3},
    {"num_states": 2, "num_symbols": 4, "arcs": 1, "stop": 1.0, "min_length": 5, "length": 9},
    {"num_states": 1, "num_symbols": 3, "arcs": 2, "min_length": 2, "length": 5},
]


def automaton_of(arguments: dict) -> Automaton:
    return pfsa_automaton(**{name: value for name, value in arguments.items() if name != "length"})


def walked(automaton: Automaton, string: tuple[int, ...]) -> Fraction:
    """The probability of a string, arc by arc."""
    state, p = automaton.start, Fraction(1)
    for symbol in string:
        p *= Fraction(float(automaton.prob[state, symbol]))
        if p == 0:
            return p
        state = int(automaton.next_state[state, symbol])
    return p * Fraction(float(automaton.prob[state, 0]))


@pytest.mark.parametrize("arguments", VARIANTS)
def test_probabilities_by_fractions(arguments: dict) -> None:
    automaton, (language, notes) = automaton_of(arguments), pfsa(**arguments)
    symbols = range(1, len(automaton.vocabulary))
    strings = [string for n in range(arguments["length"]) for string in product(symbols, repeat=n)]
    expected = {string: p for string in strings if (p := walked(automaton, string)) > 0}
    mass = sum(expected.values())
    assert language.support_size == language.trie.num_strings == len(expected)
    for string, p in expected.items():
        assert language.log_prob(string) == pytest.approx(math.log(p / mass), abs=1e-12)
    assert notes == {"dropped_mass": pytest.approx(float(1 - mass), abs=1e-12)}


@pytest.mark.parametrize("arguments", [{}, *VARIANTS])
def test_sizes_in_closed_form(arguments: dict) -> None:
    settings = {"arcs": 2, "stop": 0.3, "min_length": 3, "length": 10} | arguments
    language, notes = pfsa(**arguments)
    shortest, stop = settings["min_length"], settings["stop"]
    lengths = range(shortest, settings["length"] if stop < 1 else shortest + 1)
    assert language.support_size == sum(settings["arcs"] ** n for n in lengths)
    assert notes["dropped_mass"] == pytest.approx((1 - stop) ** (settings["length"] - shortest), abs=1e-15)


@pytest.mark.parametrize("seed", range(8))
def test_every_state_has_its_arcs_and_all_are_reached_from_each(seed: int) -> None:
    automaton = pfsa_automaton(num_states=7, num_symbols=5, arcs=2, min_length=0, seed=seed)
    assert (automaton.arcs.sum(axis=1) == 2).all()
    np.testing.assert_allclose(automaton.stops, 0.3, rtol=1e-14)
    assert sorted(automaton.state_names) == [f"s{s}" for s in range(7)], "all of them, in order of discovery"
    linked = np.linalg.matrix_power(np.eye(7) + automaton.moves, 7) > 0
    assert linked.all()


def test_the_start_is_passed_through_while_strings_are_too_short() -> None:
    automaton = pfsa_automaton(min_length=2)
    assert automaton.name(automaton.start) == "'s0, 0 symbols so far'"
    assert automaton.next_log_probs([])[0] == -np.inf
    assert automaton.length_law(4) == pytest.approx([0, 0, 0.3, 0.21])


@pytest.mark.parametrize(("arcs", "stop", "min_length"), [(3, 0.3, 0), (2, 0.5, 3), (1, 0.25, 1)])
def test_entropy_of_uniform_choices_in_closed_form(arcs: int, stop: float, min_length: int) -> None:
    """Without a preference for arcs, H = E|x| log(arcs) + H(length), whatever the states are."""
    arguments = {"arcs": arcs, "stop": stop, "min_length": min_length, "zipf": 0.0}
    length = -((1 - stop) * math.log(1 - stop) + stop * math.log(stop)) / stop
    expected = (min_length + (1 - stop) / stop) * math.log(arcs) + length
    assert pfsa_automaton(**arguments).entropy() == pytest.approx(expected, rel=1e-12)
    law = [stop * (1 - stop) ** n for n in range(7 - min_length)]
    law = [p / sum(law) for p in law]
    within = sum(p * ((min_length + n) * math.log(arcs) - math.log(p)) for n, p in enumerate(law))
    assert pfsa(**arguments, length=7)[0].entropy() == pytest.approx(within, rel=1e-12)


def test_seed_makes_the_automaton() -> None:
    one, other = pfsa(seed=3)[0], pfsa(seed=4)[0]
    assert (pfsa(seed=3)[0].log_p == one.log_p).all()
    assert not np.array_equal(one.trie.strings, other.trie.strings)
    default = pfsa()[0]
    assert default.vocabulary.decode(default.trie.strings[np.argmax(default.log_p)]) == "c c c"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_states": 0}, "grammar.num_states: an integer of at least 1 is required, found 0"),
        ({"arcs": 0}, "grammar.arcs: an integer of at least 1 is required, found 0"),
        ({"arcs": 5}, r"grammar: arcs: at most one per symbol, so 4 \(num_symbols\), is required, found 5; lower it"),
        (
            {"num_states": 1001},
            "grammar: a machine of at most 1000 states is required, found 1001; reduce num_states or",
        ),
        ({"num_states": 999}, "grammar: a machine of at most 1000 states .* reduce num_states or min_length"),
        ({"length": 3}, "grammar: pfsa: length must be at least 4, the shortest string and its end, found 3"),
        (
            {"length": 22},
            "grammar: length: at most 1000000 strings are listed, found 1048568 within length 20; lower it",
        ),
        ({"stop": 0.0}, "grammar.stop: a number from 0 to 1, 0 excluded, is required, found 0.0"),
        ({"seed": -1}, "grammar.seed: an integer of at least 0 is required, found -1"),
    ],
)
def test_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "pfsa", **arguments}, "grammar")
    assert "\n" not in str(caught.value)
