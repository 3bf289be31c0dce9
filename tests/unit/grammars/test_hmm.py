"""Hidden Markov models against sums over all paths of states in fractions, and against closed forms."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from sim.config import construct
from sim.grammars.hmm import hmm, hmm_automaton
from sim.languages.exact import UnavailableError
from sim.numerics import SpecificationError

DEFAULTS = {"num_states": 6, "num_symbols": 3, "emission_zipf": 4.0, "transition_zipf": 4.0, "stop": 0.4, "seed": 0}
VARIANTS = [
    {"min_length": 2, "length": 4},
    {"num_states": 2, "num_symbols": 4, "stop": 0.3, "min_length": 0, "length": 4, "seed": 2},
    {"num_states": 4, "num_symbols": 2, "transition_zipf": 0.5, "stop": 0.6, "min_length": 1, "length": 5, "seed": 8},
    {"num_states": 3, "num_symbols": 2, "emission_zipf": 0.4, "stop": 1.0, "min_length": 4, "length": 5},
]


def summed(arguments: dict) -> dict[tuple[int, ...], Fraction]:
    """Every string up to the horizon with the sum over all paths: first state, then emissions and moves."""
    settings = DEFAULTS | arguments
    S, K, generator = settings["num_states"], settings["num_symbols"], np.random.default_rng(settings["seed"])

    def peaked(likeliest: int, count: int, exponent: float) -> list[Fraction]:
        others = generator.permutation([t for t in range(count) if t != likeliest]).tolist()
        offset = generator.random()
        ranks = {t: r for r, t in enumerate([likeliest, *others], start=1)}
        weights = [Fraction((ranks[t] + offset) ** -exponent) for t in range(count)]
        return [weight / sum(weights) for weight in weights]

    moves = [peaked((s + 1) % S, S, settings["transition_zipf"]) for s in range(S)]
    emits = [peaked(math.floor(s * K / S), K, settings["emission_zipf"]) for s in range(S)]
    stop, shortest = Fraction(settings["stop"]), settings["min_length"]
    found = {}
    for n in range(shortest, settings["length"]):
        ending = stop * (1 - stop) ** (n - shortest)
        for string in product(range(K), repeat=n):
            total = Fraction(0)
            for path in product(range(S), repeat=n):
                p = Fraction(1, S) if n else Fraction(1)
                for t in range(n):
                    p *= emits[path[t]][string[t]] * (moves[path[t - 1]][path[t]] if t else 1)
                total += p
            if ending * total > 0:
                found[tuple(symbol + 1 for symbol in string)] = ending * total
    return found


@pytest.mark.parametrize("arguments", VARIANTS)
def test_probabilities_are_sums_over_paths(arguments: dict) -> None:
    language, notes = hmm(**arguments)
    expected = summed(arguments)
    mass = sum(expected.values())
    assert language.support_size == language.trie.num_strings == len(expected)
    for string, p in expected.items():
        assert language.log_prob(string) == pytest.approx(math.log(p / mass), abs=1e-12)
    assert notes == {"dropped_mass": pytest.approx(float(1 - mass), abs=1e-12)}
    assert notes["dropped_mass"] == pytest.approx(
        (1 - (DEFAULTS | arguments)["stop"]) ** (arguments["length"] - arguments["min_length"]), abs=1e-15
    )


@pytest.mark.parametrize(
    "arguments", [{"num_states": 1}, {"transition_zipf": 0.0, "num_states": 4}, {"emission_zipf": 0.0}]
)
def test_entropy_of_independent_symbols_in_closed_form(arguments: dict) -> None:
    """One state, states that are uniform every time, or symbols that are: the symbols are independent."""
    settings = DEFAULTS | arguments
    model = hmm_automaton(**arguments, min_length=2, stop=0.4)
    law = np.exp(model.next_log_probs([])[1:])
    assert law.sum() == pytest.approx(1, abs=1e-14)
    lengths = [0.4 * 0.6**n for n in range(5)]
    lengths = [p / sum(lengths) for p in lengths]
    symbol = -(law @ np.log(law))
    expected = sum(p * ((n + 2) * symbol - math.log(p)) for n, p in enumerate(lengths))
    language, _ = hmm(**arguments, min_length=2, stop=0.4, length=7)
    assert language.entropy() == pytest.approx(expected, rel=1e-12)
    assert language.support_size == sum(settings["num_symbols"] ** n for n in range(2, 7))


def test_the_entropy_is_that_of_the_list_only() -> None:
    """The model itself has bounds, and a long list lies between them; its collision probability is exact."""
    arguments = {"num_symbols": 2, "stop": 0.6, "min_length": 1}
    model = hmm_automaton(**arguments)
    with pytest.raises(UnavailableError, match="strings have several paths"):
        model.entropy()
    language, notes = hmm(**arguments, length=17)
    assert notes["dropped_mass"] < 1e-6
    bounds = model.entropy_bounds()
    assert bounds.lower < language.entropy() < bounds.upper
    assert language.collision() == pytest.approx(model.collision(), rel=1e-6)


def entropy_of(law: np.ndarray) -> float:
    return float(-(law[law > 0] * np.log(law[law > 0])).sum())


def test_the_past_tells_more_than_the_last_symbol() -> None:
    """I(x3; x1 | x2) [nat] of the first three symbols, in the default model and in those of other seeds."""
    for seed in range(6):
        model = hmm_automaton(seed=seed)
        joint = np.zeros((3, 3, 3))
        for string in product(range(3), repeat=3):
            joint[string] = np.exp(model.log_prefix([symbol + 1 for symbol in string]))
        assert joint.sum() == pytest.approx(1, abs=1e-14)
        pairs = entropy_of(joint.sum(axis=2)) + entropy_of(joint.sum(axis=0))
        assert pairs - entropy_of(joint) - entropy_of(joint.sum(axis=(0, 2))) > 0.01


def test_seed_makes_the_model() -> None:
    assert (hmm(seed=3)[0].log_p == hmm(seed=3)[0].log_p).all()
    assert not (hmm(seed=3)[0].log_p == hmm(seed=4)[0].log_p).any()
    assert hmm_automaton(num_states=2, min_length=1).state_names == (
        "h0, 0 symbols so far",
        "h1, 0 symbols so far",
        "h0",
        "h1",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_states": 0}, "grammar.num_states: an integer of at least 1 is required, found 0"),
        ({"emission_zipf": -0.5}, "grammar.emission_zipf: a non-negative number is required, found -0.5"),
        (
            {"num_states": 400},
            "grammar: a machine of at most 10000000 transitions is required, found 10240000; reduce num",
        ),
        ({"length": 1}, "grammar: hmm: length must be at least 4, the shortest string and its end, found 1"),
        (
            {"length": 15},
            "grammar: length: at most 1000000 strings are listed, found 2391471 within length 14; lower",
        ),
        ({"stop": -0.1}, "grammar.stop: a number from 0 to 1, 0 excluded, is required, found -0.1"),
    ],
)
def test_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "hmm", **arguments}, "grammar")
    assert "\n" not in str(caught.value)
