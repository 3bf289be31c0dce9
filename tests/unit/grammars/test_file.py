"""Grammar files: what is written is what is read, exactly."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml

from sim.grammars.file import file, read
from sim.languages.automaton import Automaton
from sim.languages.finite import FiniteLanguage
from sim.numerics import SpecificationError

EXAMPLES = Path(__file__).parents[3] / "examples" / "grammars"


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def to(text, name="g.yaml"):
        Path(name).write_text(text, encoding="utf-8")
        return name

    return to


def parse(text):
    return Fraction(text.replace(" ", ""))


def brute_force(data, length):
    """{(symbol, …): probability} of the strings of a markov or pfsa file with fewer than `length` symbols."""
    found, alive = {}, []
    if data["type"] == "markov":
        eos, table = data["eos"], data["transitions"]
        alive = [((), data["initial"])]
        for _ in range(length):
            following = []
            for x, row in alive:
                weight = found.pop(("weight", x), Fraction(1))
                for symbol, p in row.items():
                    if symbol == eos:
                        found[x] = weight * parse(p)
                    else:
                        found["weight", (*x, symbol)] = weight * parse(p)
                        following.append(((*x, symbol), table[symbol]))
            alive = following
        return {x: p for x, p in found.items() if not (x and x[0] == "weight")}
    (start,) = data["initial"]
    alive = [((), start, Fraction(1))]
    for _ in range(length):
        found |= {x: w * parse(data["final"][s]) for x, s, w in alive if s in data["final"]}
        alive = [
            ((*x, arc["symbol"]), arc["to"], w * parse(arc["p"]))
            for x, s, w in alive
            for arc in data["transitions"]
            if arc["from"] == s
        ]
    return found


@pytest.mark.parametrize(("name", "length"), [("markov", 6), ("pfsa", 9), ("pfsa", 4)])
def test_the_examples_truncated_against_brute_force(name, length):
    path = EXAMPLES / f"{name}.yaml"
    listed = brute_force(yaml.load(path.read_text(), yaml.BaseLoader), length)
    mass = sum(listed.values(), Fraction(0))
    language, notes = file(path=str(path), length=length)
    assert notes["dropped_mass"] == pytest.approx(float(1 - mass), rel=1e-13)
    assert language.support_size == len(listed)
    for x, p in listed.items():
        assert language.log_prob(language.vocabulary.encode(x)) == pytest.approx(math.log(p / mass), abs=1e-13)


def test_the_example_of_listed_strings():
    path = EXAMPLES / "strings.yaml"
    listed = {k: parse(v) for k, v in yaml.load(path.read_text(), yaml.BaseLoader)["strings"].items()}
    language, notes = file(path=str(path))
    assert notes == {"dropped_mass": 0.0}
    assert sum(listed.values()) == 1
    assert {language.vocabulary.decode(s) for s in language.trie.strings} == set(listed)
    for text, p in listed.items():
        tokens = language.vocabulary.encode(text.split(" "))
        assert language.log_prob(tokens) == pytest.approx(math.log(p), abs=1e-15)
    assert language.entropy() == pytest.approx(-sum(float(p) * math.log(p) for p in listed.values()), abs=1e-14)
    assert "no" in language.vocabulary.symbols


def test_the_examples_are_read_whole():
    assert isinstance(read(str(EXAMPLES / "strings.yaml")), FiniteLanguage)
    for name in ("markov", "pfsa"):
        language = read(str(EXAMPLES / f"{name}.yaml"))
        assert isinstance(language, Automaton)
        assert language.support_size == math.inf
        near, dropped = language.enumerate(13, 200_000)
        bound = -math.log1p(-dropped)
        assert abs(near.log_prob(near.trie.strings[0]) - language.log_prob(near.trie.strings[0]) - bound) < 1e-13


def test_the_entropy_of_the_markov_example_counts_the_first_symbol_and_the_stop():
    language = read(str(EXAMPLES / "markov.yaml"))
    stay = np.array([[0.4, 0.2, 0], [0.2, 0.2, 0.2], [0, 0.3, 0.3]])
    initial = np.array([0.5, 0.3, 0.2])
    h = [-sum(x * math.log(x) for x in (*row, 0.4) if x) for row in stay]
    visits = initial @ np.linalg.inv(np.eye(3) - stay)
    assert language.entropy() == pytest.approx(-(initial @ np.log(initial)) + visits @ h, abs=1e-13)
    assert language.expected_length() == pytest.approx(2.5, abs=1e-14)


def test_numbers_are_read_from_their_text(write):
    tenths = "type: strings\nstrings: {" + ", ".join(f"{c}: 0.1" for c in "abcdefghij") + "}"
    language = read(write(tenths))
    assert (language.log_p == math.log(0.1)).all()
    thirds = read(write("type: strings\nstrings: {a: 0.3333333333, b: 0.3333333333, c: 0.3333333334}"))
    assert math.exp(thirds.log_p[2]) == float(Fraction("0.3333333334"))
    # 3e-12 short of 1, and normalised exactly
    near = read(write("type: strings\nstrings: {a: 0.33333333333, b: ' 1 / 3 ', c: 1/3}"))
    parts = [Fraction("0.33333333333"), Fraction(1, 3), Fraction(1, 3)]
    np.testing.assert_allclose(near.log_p, [math.log(p / sum(parts)) for p in parts], atol=1e-15)
    rare = read(write("type: strings\nstrings: {a: 0.999999999999999999999, b: 1e-21}"))
    assert rare.log_p.tolist() == [-1e-21, math.log(1e-21)]


def test_json_and_yaml_give_the_same_language(write):
    data = yaml.load((EXAMPLES / "pfsa.yaml").read_text(), yaml.BaseLoader)
    plain, notes = file(path=write((EXAMPLES / "pfsa.yaml").read_text()), length=9)
    text = json.dumps(data).replace('"0.4"', "0.4").replace('"1"', "1")
    same, same_notes = file(path=write(text, "g.json"), length=9)
    assert (plain.log_p == same.log_p).all()
    assert (plain.trie.strings == same.trie.strings).all()
    assert notes == same_notes


def test_symbols_are_read_as_written(write):
    listed = "strings: {no on 1: 1/2, 0x1 1.0 ~: 1/4, null true yes: 1/4}"
    language = read(write(f"type: strings\nseparator: ' '\n{listed}"))
    assert language.vocabulary.symbols == ("<eos>", "no", "on", "1", "0x1", "1.0", "~", "null", "true", "yes")
    chain = read(
        write(
            "type: markov\nalphabet: [no, 1]\neos: end\ninitial: {no: 1}\n"
            "transitions: {no: {1: 1/2, end: 1/2}, 1: {end: 1}}\n"
        )
    )
    assert chain.vocabulary.symbols == ("end", "no", "1")
    assert chain.support_size == 2


def test_the_empty_string_and_probability_zero(write):
    language, _ = file(path=write("type: strings\nname: toy\nstrings: {'': 1/2, ab: 1/2, abcd: 0}"))
    assert language.support_size == language.trie.num_strings == 2
    assert language.length == 3
    assert language.log_prob([]) == math.log(0.5)
    assert language.vocabulary.symbols == ("<eos>", "a", "b", "c", "d")
    assert language.vocabulary.joiner == ""


def test_listed_strings_longer_than_the_horizon_are_left_out_and_noted(write):
    path = write("type: strings\nstrings: {a: 1/2, ab: 1/4, abc: 1/8, bca: 1/8}")
    language, notes = file(path=path, length=3)
    assert notes == {"dropped_mass": pytest.approx(0.25, abs=1e-16)}
    assert language.length == 3
    np.testing.assert_allclose(np.exp(language.log_p), [2 / 3, 1 / 3], atol=1e-15)
    whole, notes = file(path=path, length=9)
    assert (whole.length, notes["dropped_mass"]) == (4, 0.0)


def test_a_finite_machine_needs_no_length(write):
    path = write(
        "type: pfsa\nstates: [A, B]\ninitial: {A: 1}\nseparator: '-'\n"
        "transitions: [{from: A, symbol: x, to: B, p: 1/2}, {from: A, symbol: yy, to: B, p: 1/4}]\n"
        "final: {A: 1/4, B: 1}"
    )
    language, notes = file(path=path)
    assert (language.support_size, language.length, notes["dropped_mass"]) == (3, 2, 0.0)
    assert language.entropy() == pytest.approx(1.5 * math.log(2), abs=1e-15)
    assert language.vocabulary.joiner == "-"


PFSA = """
type: pfsa
alphabet: [a, b, c]
states: [A, B, C]
initial: {A: 1, B: 0}
transitions:
  - {from: A, symbol: a, to: A, p: 1/4}
  - {from: A, symbol: a, to: A, p: 1/4}
  - {from: A, symbol: a, to: C, p: 0}
  - {from: C, symbol: c, to: A, p: 1}
final: {A: 1/2, B: 1, C: 0}
"""


def test_repeated_transitions_are_merged_and_unreachable_states_left_out_with_a_warning(write):
    path = write(PFSA)
    repeated, unreachable = r"transitions\[1\]: A -a-> A is listed twice", "state 'B', 'C' can never be reached"
    with pytest.warns(UserWarning, match=repeated), pytest.warns(UserWarning, match=unreachable):
        language = read(path)
    assert language.entropy() == pytest.approx(2 * math.log(2), abs=1e-14)
    assert language.vocabulary.symbols == ("<eos>", "a", "b", "c")
    assert language.state_names == ("A",)


def test_an_infinite_language_needs_a_length_and_one_is_suggested():
    path = str(EXAMPLES / "pfsa.yaml")
    with pytest.raises(SpecificationError, match=r"length is required .*; length=28 drops 8\.7e-04 of the mass"):
        file(path=path)
    assert file(path=path, length=28)[1]["dropped_mass"] <= 1e-3 < read(path).dropped_mass(27)
    with pytest.raises(SpecificationError, match=r"length=14 drops 1\.3e-03 of the mass and keeps 195023 strings"):
        file(path=str(EXAMPLES / "markov.yaml"))


def test_too_many_strings_are_counted_not_cut(write):
    path = write("type: strings\nstrings: {a: 1/2, b: 1/4, c: 1/4}")
    with pytest.raises(SpecificationError, match="at most max_strings = 2 strings are enumerated, found 3 strings"):
        file(path=path, max_strings=2)
    with pytest.raises(SpecificationError, match=r"found 983 within length 8; .*\(4 is the largest that fits"):
        file(path=str(EXAMPLES / "markov.yaml"), length=8, max_strings=50)


@pytest.mark.parametrize(
    ("name", "length", "message"),
    [
        ("strings", 0, "length must be at least 1"),
        ("strings", 1, "length must be at least 2"),
        ("pfsa", 3, "at least 4"),
    ],
)
def test_a_horizon_that_is_too_short(name, length, message):
    with pytest.raises(SpecificationError, match=message):
        file(path=str(EXAMPLES / f"{name}.yaml"), length=length)
