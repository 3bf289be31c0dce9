"""Markov chains of any order against products of their table in fractions, and against closed forms."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from sim.config import construct
from sim.grammars._tables import random_law
from sim.grammars.ngram import ngram, ngram_automaton
from sim.numerics import SpecificationError

VARIANTS = [
    {"length": 5},
    {"num_symbols": 3, "order": 1, "zeros": 0.0, "min_length": 1, "length": 6},
    {"num_symbols": 3, "order": 3, "zeros": 0.4, "min_length": 2, "length": 6, "seed": 4},
    {"num_symbols": 2, "order": 0, "zeros": 0.0, "min_length": 0, "stop": 0.5, "length": 4},
    {"num_symbols": 5, "order": 1, "zeros": 0.79, "min_length": 4, "stop": 1.0, "length": 9, "zipf": 2.5},
]
DEFAULTS = {"num_symbols": 4, "order": 2, "zeros": 0.25, "zipf": 1.0, "stop": 0.4, "min_length": 3, "seed": 0}


def table_of(arguments: dict) -> dict[tuple[int, ...], list[Fraction]]:
    """The law of the next symbol by context, drawn in the order of the contexts: shorter ones first."""
    settings = DEFAULTS | arguments
    K, generator = settings["num_symbols"], np.random.default_rng(settings["seed"])
    possible = K - round(settings["zeros"] * K)
    contexts = [context for n in range(settings["order"] + 1) for context in product(range(1, K + 1), repeat=n)]
    laws = {context: random_law(generator, K, possible, settings["zipf"]).tolist() for context in contexts}
    return {context: [Fraction(p) for p in law] for context, law in laws.items()}


def brute_force(arguments: dict) -> dict[tuple[int, ...], Fraction]:
    """Every string up to the horizon with its probability, by multiplying the table along it."""
    settings, table = DEFAULTS | arguments, table_of(arguments)
    order, stop, shortest = settings["order"], Fraction(settings["stop"]), settings["min_length"]
    found = {}
    for n in range(shortest, settings["length"]):
        if stop == 1 and n > shortest:
            break
        for string in product(range(1, settings["num_symbols"] + 1), repeat=n):
            p = stop * (1 - stop) ** (n - shortest)
            for t, symbol in enumerate(string):
                context = string[max(t - order, 0) : t]
                p *= table[context][symbol - 1]
            if p > 0:
                found[string] = p
    return found


@pytest.mark.parametrize("arguments", VARIANTS)
def test_probabilities_by_fractions(arguments: dict) -> None:
    language, notes = ngram(**arguments)
    expected = brute_force(arguments)
    mass = sum(expected.values())
    assert language.support_size == language.trie.num_strings == len(expected)
    for string, p in expected.items():
        assert language.log_prob(string) == pytest.approx(math.log(p / mass), abs=1e-12)
    assert notes["dropped_mass"] == pytest.approx(float(1 - mass), abs=1e-12)


@pytest.mark.parametrize("arguments", [{}, *VARIANTS])
def test_dropped_mass_and_number_of_strings_in_closed_form(arguments: dict) -> None:
    language, notes = ngram(**arguments)
    settings = DEFAULTS | {"length": 7} | arguments
    later = settings["length"] - settings["min_length"]
    assert notes == {"dropped_mass": pytest.approx((1 - settings["stop"]) ** later, abs=1e-15)}
    possible = settings["num_symbols"] - round(settings["zeros"] * settings["num_symbols"])
    lengths = range(settings["min_length"], settings["length"] if settings["stop"] < 1 else settings["min_length"] + 1)
    assert language.support_size == sum(possible**n for n in lengths)


def test_the_next_symbol_depends_on_the_last_two_only() -> None:
    automaton, table = ngram_automaton(), table_of({})
    seen = 0
    for n in range(7):
        for string in product(range(1, 5), repeat=n):
            if automaton.log_prefix(string) == -np.inf:
                continue
            law = np.exp(automaton.next_log_probs(string))
            assert law[0] == pytest.approx(0.4 if n >= 3 else 0.0, abs=1e-16)
            expected = [float(p) for p in table[string[-2:]]]
            np.testing.assert_allclose(law[1:] / law[1:].sum(), expected, rtol=1e-12)
            assert (law[1:] == 0).sum() == 1, "a quarter of four symbols is forbidden"
            seen += 1
    assert seen == sum(3**n for n in range(7))


@pytest.mark.parametrize(("order", "min_length", "stop"), [(0, 0, 0.3), (0, 2, 0.5), (2, 1, 0.4), (3, 3, 1.0)])
def test_entropy_of_uniform_choices_in_closed_form(order: int, min_length: int, stop: float) -> None:
    """Without a preference for symbols, H = E|x| log(possible) + H(length), whatever is forbidden."""
    arguments = {"order": order, "min_length": min_length, "stop": stop, "zipf": 0.0, "num_symbols": 4, "zeros": 0.5}
    length = -((1 - stop) * math.log(1 - stop) + stop * math.log(stop)) / stop if stop < 1 else 0.0
    expected = (min_length + (1 - stop) / stop) * math.log(2) + length
    assert ngram_automaton(**arguments).entropy() == pytest.approx(expected, rel=1e-12)
    law = [stop * (1 - stop) ** n for n in range(6 - min_length)]
    law = [p / sum(law) for p in law if p > 0]
    within = sum(p * ((min_length + n) * math.log(2) - math.log(p)) for n, p in enumerate(law))
    assert ngram(**arguments, length=6)[0].entropy() == pytest.approx(within, rel=1e-12)


def test_entropy_of_independent_symbols_in_closed_form() -> None:
    automaton = ngram_automaton(order=0, zeros=0.0, stop=0.25, min_length=1, zipf=1.5, seed=9)
    law = np.exp(automaton.next_log_probs([])[1:])
    length = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / 0.25
    assert automaton.entropy() == pytest.approx(4 * -(law @ np.log(law)) + length, rel=1e-12)


def test_seed_makes_the_table() -> None:
    one, other = ngram(seed=3)[0], ngram(seed=4)[0]
    assert (ngram(seed=3)[0].log_p == one.log_p).all()
    assert not np.array_equal(one.trie.strings, other.trie.strings), "what is forbidden is random"
    default = ngram()[0]
    assert default.vocabulary.decode(default.trie.strings[np.argmax(default.log_p)]) == "c a d"
    assert len(np.unique(default.log_p.round(12))) > 1_000, "probabilities are generic"


def test_names_of_symbols_and_states() -> None:
    assert ngram_automaton(num_symbols=26, order=0).vocabulary.symbols[-1] == "z"
    assert ngram_automaton(num_symbols=27, order=0).vocabulary.symbols[-1] == "a26"
    names = ngram_automaton(num_symbols=2, order=1, zeros=0.0, min_length=1).state_names
    assert names == ("the start, 0 symbols so far", "after a", "after b")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": -1}, "grammar.order: an integer of at least 0 is required, found -1"),
        ({"num_symbols": 0}, "grammar.num_symbols: an integer of at least 1 is required, found 0"),
        ({"zeros": 1}, "grammar.zeros: a number from 0 to 1, 1 excluded, is required, found 1"),
        ({"zeros": 0.9}, "grammar: zeros: at least one symbol must stay possible after every context, found 0.9 of 4"),
        ({"stop": 0}, "grammar.stop: a number from 0 to 1, 0 excluded, is required, found 0"),
        ({"stop": 1.5}, "grammar.stop: a number from 0 to 1, 0 excluded, is required, found 1.5"),
        ({"length": 3}, "grammar: ngram: length must be at least 4, the shortest string and its end, found 3"),
        (
            {"length": 20},
            "grammar: length: at most 1000000 strings are listed, found 2391471 within length 14; lower it",
        ),
        (
            {"length": 10**9},
            "grammar: length: at most 1000000 strings are listed, found .*; lower it or reduce num_symbols",
        ),
        (
            {"order": 10**6},
            r"grammar: a machine of at most 1000 states is required, found about 10\^602059; reduce order",
        ),
        (
            {"zipf": 3000},
            "grammar: Zipf's law: probabilities above 1e-308 are required, found an underflow at exponent",
        ),
        (
            {"order": 5},
            "grammar: a machine of at most 1000 states is required, found 1365; reduce order, num_symbols or",
        ),
        ({"min_length": 2000}, "grammar: a machine of at most 1000 states is required, found .*; reduce order"),
        ({"zipf": -1}, "grammar.zipf: a non-negative number is required, found -1"),
    ],
)
def test_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "ngram", **arguments}, "grammar")
    assert "\n" not in str(caught.value)
