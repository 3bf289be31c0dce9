"""The Random Hierarchy Model against its closed forms, against parsing from below, and as a context-free grammar."""

import math
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from sim.config import construct
from sim.grammars.hierarchy import hierarchy, hierarchy_grammar
from sim.languages.pcfg.language import ContextFree
from sim.numerics import SpecificationError

DEFAULTS = {"num_symbols": 8, "num_classes": 8, "num_synonyms": 2, "tuple_size": 2, "depth": 3}
UNIFORM = [
    {},
    {"num_symbols": 3, "num_classes": 2, "num_synonyms": 3, "tuple_size": 3, "depth": 2, "seed": 1},
    {"num_symbols": 4, "num_classes": 8, "num_synonyms": 2, "depth": 2},
    {"num_symbols": 5, "num_classes": 1, "num_synonyms": 5, "depth": 2, "seed": 7},
    {"num_symbols": 6, "num_classes": 3, "num_synonyms": 4, "tuple_size": 4, "depth": 1},
    {"num_symbols": 2, "num_classes": 2, "num_synonyms": 1, "tuple_size": 2, "depth": 5},
]
SKEWED = [
    {"zipf": 1.0},
    {"num_symbols": 3, "num_classes": 2, "num_synonyms": 3, "tuple_size": 3, "depth": 2, "zipf": 2.0, "seed": 3},
    {"num_symbols": 4, "num_classes": 2, "num_synonyms": 3, "depth": 2, "zipf": 0.5, "seed": 5},
]


def rules_by_head(grammar: ContextFree) -> dict[int, list[tuple[tuple[int, ...], Fraction]]]:
    found: dict[int, list[tuple[tuple[int, ...], Fraction]]] = {}
    for rule in grammar.rules:
        found.setdefault(rule.lhs, []).append((rule.rhs, rule.p))
    return found


def spelt(symbols: tuple[int, ...], rules: dict) -> Iterator[tuple[tuple[int, ...], Fraction]]:
    """Every string that a row of symbols leads to, with its probability: depth first, one derivation each."""
    place = next((i for i, symbol in enumerate(symbols) if symbol < 0), None)
    if place is None:
        yield symbols, Fraction(1)
        return
    for rhs, p in rules[~symbols[place]]:
        for string, rest in spelt((*symbols[:place], *rhs, *symbols[place + 1 :]), rules):
            yield string, p * rest


@pytest.mark.parametrize("arguments", UNIFORM)
def test_uniform_rules_in_closed_form(arguments: dict) -> None:
    settings = DEFAULTS | arguments
    s, m, classes = settings["tuple_size"], settings["num_synonyms"], settings["num_classes"]
    choices = (s ** settings["depth"] - 1) // (s - 1)
    language = hierarchy(**arguments)
    assert language.support_size == language.trie.num_strings == classes * m**choices
    assert (language.trie.lengths == s ** settings["depth"] + 1).all()
    assert language.entropy() == pytest.approx(math.log(classes) + choices * math.log(m), abs=1e-12)
    assert language.collision() == pytest.approx(1 / (classes * m**choices), rel=1e-12)
    np.testing.assert_allclose(language.log_p, -math.log(language.support_size), atol=1e-12)


@pytest.mark.parametrize("arguments", [*UNIFORM, *SKEWED])
def test_the_list_and_the_grammar_agree(arguments: dict) -> None:
    language, grammar = hierarchy(**arguments), hierarchy_grammar(**arguments)
    assert grammar.ambiguity.unambiguous
    assert grammar.support_size == language.support_size
    assert language.entropy() == pytest.approx(grammar.entropy(), abs=1e-12)
    assert language.collision() == pytest.approx(grammar.collision(), rel=1e-11)
    for row in range(0, language.support_size, 1 + language.support_size // 20):
        assert language.log_p[row] == pytest.approx(grammar.log_prob(language.trie.strings[row]), abs=1e-12)


@pytest.mark.parametrize("arguments", [*UNIFORM[1:], *SKEWED])
def test_probabilities_by_spelling_everything_out(arguments: dict) -> None:
    language, rules = hierarchy(**arguments), rules_by_head(hierarchy_grammar(**arguments))
    derivations = list(spelt((~0,), rules))
    expected = dict(derivations)
    assert len(expected) == len(derivations) == language.support_size, "no string is spelt in two ways"
    assert sum(expected.values()) == 1, "rules are exact fractions"
    for string, p in expected.items():
        assert language.log_prob(string) == pytest.approx(math.log(p), abs=1e-12)


@pytest.mark.parametrize("arguments", [{}, SKEWED[1]])
def test_a_string_tells_its_class_from_below(arguments: dict) -> None:
    """Tuples of a level are different, so that cutting a string into tuples and looking them up reads it back."""
    settings = DEFAULTS | arguments
    language, grammar = hierarchy(**arguments), hierarchy_grammar(**arguments)
    head_of = {rule.rhs: (rule.lhs, rule.p) for rule in grammar.rules}
    assert len(head_of) == len(grammar.rules)
    s, seen = settings["tuple_size"], Counter()
    for row, string in enumerate(language.trie.strings):
        here, p = tuple(int(token) for token in string if token != 0), Fraction(1)
        while len(here) > 1:
            above = [head_of[here[i : i + s]] for i in range(0, len(here), s)]
            here = tuple(~head for head, _ in above)
            p *= math.prod(q for _, q in above)
        (name,) = here
        assert grammar.nonterminals[~name].startswith("class")
        seen[name] += float(p) / settings["num_classes"]
        assert language.log_p[row] == pytest.approx(math.log(p / settings["num_classes"]), abs=1e-12)
    assert len(seen) == settings["num_classes"]
    np.testing.assert_allclose(list(seen.values()), 1 / settings["num_classes"], rtol=1e-12)


@pytest.mark.parametrize("arguments", SKEWED)
def test_entropy_of_skewed_rules_by_expected_use(arguments: dict) -> None:
    """H = log n_c + sum over levels of E(uses of a feature) times the entropy of its rules, in fractions."""
    settings = DEFAULTS | arguments
    rules = rules_by_head(hierarchy_grammar(**arguments))
    entropy, use = 0.0, {0: Fraction(1)}
    for _ in range(settings["depth"] + 1):
        below: dict[int, Fraction] = {}
        for head, times in use.items():
            for rhs, p in rules[head]:
                entropy -= float(times * p) * math.log(p)
                for symbol in rhs:
                    if symbol < 0:
                        below[~symbol] = below.get(~symbol, Fraction(0)) + times * p
        use = below
    language = hierarchy(**arguments)
    assert language.entropy() == pytest.approx(entropy, abs=1e-12)
    assert language.entropy() < hierarchy(**arguments | {"zipf": 0.0}).entropy()


@pytest.mark.parametrize("arguments", [{}, SKEWED[0], UNIFORM[3]])
def test_tuples_of_a_level_are_different(arguments: dict) -> None:
    grammar = hierarchy_grammar(**arguments)
    tuples = [rule.rhs for rule in grammar.rules if rule.lhs != grammar.start]
    assert len(set(tuples)) == len(tuples)
    by_head = Counter(rule.lhs for rule in grammar.rules if rule.lhs != grammar.start)
    assert set(by_head.values()) == {(DEFAULTS | arguments)["num_synonyms"]}


def test_seed_draws_spellings_and_laws() -> None:
    assert np.array_equal(hierarchy(seed=3).trie.strings, hierarchy(seed=3).trie.strings)
    assert not np.array_equal(hierarchy(seed=3).trie.strings, hierarchy(seed=4).trie.strings)
    assert not (hierarchy_grammar(seed=3, zipf=1.0).log_p == hierarchy_grammar(seed=4, zipf=1.0).log_p).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tuple_size": 1}, "grammar.tuple_size: an integer of at least 2 is required, found 1"),
        ({"zipf": 400}, r"grammar: zipf: strings of probability e\^-700 or more are required, found some near e\^-1"),
        ({"depth": 0}, "grammar.depth: an integer of at least 1 is required, found 0"),
        (
            {"num_symbols": 3, "num_classes": 2, "num_synonyms": 4, "depth": 2},
            r"grammar: num_synonyms: different tuples at every level need .* = 9, found 12; reduce num_synonyms or nu",
        ),
        (
            {"num_symbols": 2, "num_classes": 3, "depth": 2},
            r"grammar: num_synonyms: different tuples at every level need .* = 4, found 6; reduce num_synonyms",
        ),
        (
            {"depth": 5},
            "grammar: a support of at most 1000000 strings is required, found 17179869184; reduce depth, num_syn",
        ),
        (
            {"depth": 10},
            r"grammar: depth: strings of at most 512 symbols are required, found tuple_size\^depth = 2\^10;",
        ),
        (
            {"depth": 10**9},
            r"grammar: depth: strings of at most 512 symbols are required, found .*; reduce depth or tuple",
        ),
        (
            {"depth": 9},
            r"grammar: a support of at most 1000000 strings is required, found about 10\^154; reduce depth, num_",
        ),
    ],
)
def test_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "hierarchy", **arguments}, "grammar")
    assert "\n" not in str(caught.value)
