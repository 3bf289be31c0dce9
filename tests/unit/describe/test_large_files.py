"""Large and degenerate grammar files: an answer, or one line. Sizes are such that quadratic work would show."""

import json
import math

import pytest

from sim.describe.command import main
from sim.languages import absorbing
from sim.languages.pcfg import ambiguity

N = 1_200
RULES = "type: pcfg\nstart: S\nrules:\n"


def rule(lhs, rhs, p=1):
    return f"- {{lhs: {lhs}, rhs: [{', '.join(rhs)}], p: {p}}}\n"


def doubling(levels):
    steps = "".join(rule(f"A{i}", [f"A{i + 1}"] * 2) for i in range(levels))
    return RULES + rule("S", ["A0"]) + steps + rule(f"A{levels}", ["a"], "1/2") + rule(f"A{levels}", ["b"], "1/2")


def described(text, tmp_path, capsys, *options):
    file = tmp_path / "g.yaml"
    file.write_text(text)
    assert main([str(file), "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def refused(text, tmp_path, capsys, *options):
    file = tmp_path / "g.yaml"
    file.write_text(text)
    assert main([str(file), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    return err


SYMBOLS = RULES + "".join(rule("S", [f"a{i}"], f"1/{N}") for i in range(N))
LISTS = RULES + "".join(rule("S", [f"a{i}", "S"], f"1/{2 * N}") for i in range(N)) + rule("S", [], "1/2")
CHAIN = RULES + rule("S", ["A0"]) + "".join(rule(f"A{i}", [f"A{i + 1}"]) for i in range(300)) + rule("A300", ["a"])
LONG = RULES + rule("S", [f"a{i % 7}" for i in range(N)])
RING = "".join(rule(f"A{i}", ["a", f"A{(i + 1) % N}"], "1/2") + rule(f"A{i}", ["b"], "1/2") for i in range(N))
CASES = {
    "many symbols": (SYMBOLS, N, math.log(N)),
    "many symbols, again and again": (LISTS, "inf", 2 * math.log(2) + math.log(N)),
    "a chain of unit rules": (CHAIN, 1, 0.0),
    "a long right-hand side": (LONG, 1, 0.0),
    "many non-terminals in a ring": (RULES + rule("S", ["A0"]) + RING, "inf", 2 * math.log(2)),
    "a string of 2^64 symbols": (doubling(64), None, 2.0**64 * math.log(2)),
    "many that cannot be reached": (RULES + rule("S", ["a"]) + "".join(rule(f"A{i}", ["b"]) for i in range(N)), 1, 0.0),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore")
def test_large_grammars_are_described(case, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ambiguity, "MOST_RULES", 100)
    text, size, entropy = CASES[case]
    found = described(text, tmp_path, capsys)
    assert found["about"]["ambiguity"]["verdict"] == "unambiguous"
    assert found["entropy"]["entropy"]["value"] == pytest.approx(entropy, rel=1e-12)
    if size is not None:
        assert found["support"]["size"] == size


def test_the_likeliest_of_64_to_the_20_equal_strings_of_an_ambiguous_grammar(tmp_path, capsys):
    """Every symbol has two derivations. The first strings are found, and proved to be the likeliest."""
    letters = "".join(rule("A", [f"a{i}"], "1/128") + rule("A", [f"B{i}"], "1/128") for i in range(64))
    letters += "".join(rule(f"B{i}", [f"a{i}"]) for i in range(64))
    found = described(RULES + rule("S", ["A"] * 20) + letters, tmp_path, capsys, "--top", "3")
    assert found["about"]["ambiguity"]["verdict"] == "ambiguous"
    assert found["likeliest"]["proved"]
    assert [row["log_p"] for row in found["likeliest"]["strings"]] == pytest.approx([-20 * math.log(64)] * 3)


def test_automata_with_many_states(tmp_path, capsys, monkeypatch):
    """A ring of N states with one symbol: the number of symbols is geometric."""
    monkeypatch.setattr(absorbing, "DENSE", 500)
    states = ", ".join(f"q{i}" for i in range(N))
    moves = "".join(f"- {{from: q{i}, symbol: a, to: q{(i + 1) % N}, p: 1/2}}\n" for i in range(N))
    final = ", ".join(f"q{i}: 1/2" for i in range(N))
    text = f"type: pfsa\nstates: [{states}]\ninitial: {{q0: 1}}\ntransitions:\n{moves}final: {{{final}}}\n"
    found = described(text, tmp_path, capsys)
    assert found["entropy"]["entropy"]["value"] == pytest.approx(2 * math.log(2), rel=1e-12)
    assert found["diversity"]["collision"]["value"] == pytest.approx(1 / 3, rel=1e-12)
    assert (found["support"]["size"], found["support"]["expected_length"]["value"]) == ("inf", pytest.approx(1))


def test_tables_that_are_too_large_are_refused(tmp_path, capsys):
    size = 5_000
    names = ", ".join(f"a{i}" for i in range(size))
    rows = "".join(f"  a{i}: {{<eos>: 1}}\n" for i in range(size))
    text = f"type: markov\neos: <eos>\nalphabet: [{names}]\ninitial: {{a0: 1}}\ntransitions:\n{rows}"
    assert "a table of at most 20,000,000 cells is required" in refused(text, tmp_path, capsys)


EMPTY_STRING = {
    "strings": "type: strings\nstrings: {'': 1}\n",
    "pcfg": RULES + rule("S", []),
    "ambiguous pcfg": RULES + rule("S", ["S", "S"], "1/4") + rule("S", [], "3/4"),
    "pfsa": "type: pfsa\nstates: [q]\ninitial: {q: 1}\ntransitions: []\nfinal: {q: 1}\n",
    "hidden": "type: pfsa\nstates: [q, r]\ninitial: {q: 1/2, r: 1/2}\ntransitions: []\nfinal: {q: 1, r: 1}\n",
}


@pytest.mark.parametrize("kind", EMPTY_STRING)
def test_the_empty_string_alone_is_a_language(kind, tmp_path, capsys):
    found = described(EMPTY_STRING[kind], tmp_path, capsys)
    assert (found["about"]["num_symbols"], found["support"]["size"], found["support"]["longest"]) == (0, 1, 0)
    assert found["entropy"]["entropy"]["value"] == found["support"]["expected_length"]["value"] == 0
    assert found["likeliest"]["strings"] == [{"string": "", "p": 1.0, "log_p": 0.0}]


EMPTY = {
    "strings": "type: strings\nstrings: {}\n",
    "no rules": "type: pcfg\nstart: S\nrules: []\n",
    "pcfg": RULES + rule("S", ["a", "S"]),
    "pfsa": "type: pfsa\nstates: [q]\ninitial: {q: 1}\ntransitions:\n- {from: q, symbol: a, to: q, p: 1}\n"
    "final: {q: 0}\n",
}


@pytest.mark.parametrize("kind", EMPTY)
def test_the_empty_language_is_named(kind, tmp_path, capsys):
    assert "the language is empty" in refused(EMPTY[kind], tmp_path, capsys)


def test_a_renormalised_grammar_says_what_was_divided_out(tmp_path, capsys):
    """S -> S S [3/4] ends with probability q = 1/4 + 3/4 q^2, so q = 1/3."""
    text = RULES + rule("S", ["S", "S"], "3/4") + rule("S", ["a"], "1/4")
    assert "a total mass of 0.333333333333" in refused(text, tmp_path, capsys)
    (step,) = described(text, tmp_path, capsys, "--renormalise")["steps"]["steps"]
    assert step == {
        "step": "renormalisation",
        "of": "derivations that end",
        "probability_of_ending": pytest.approx(1 / 3),
    }
    assert main([str(tmp_path / "g.yaml"), "--renormalise"]) == 0
    assert "probability of ending     0.333333" in capsys.readouterr().out
