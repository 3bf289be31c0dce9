"""sim.describe FILE --write other.yaml: what is written is read as the same language."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.describe.write import write
from sim.grammars._reading import structured
from sim.grammars._writing import as_yaml, mapping_of
from sim.grammars.file import language_of, load, read
from sim.languages.automaton import Automaton
from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from tests.unit.test_hostile_text import HOSTILE

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "grammars").iterdir())
PLAIN = next(file for file in EXAMPLES if file.name == "strings.yaml")


def same(first, second):
    """Whether two descriptions agree, bit for bit, but for the names of the files."""
    for said in (first, second):
        said["about"] = {key: value for key, value in said["about"].items() if key not in ("file", "written")}
    return first == second


def parts(language):
    """All that a language is made of, for a comparison bit for bit."""
    found = {}
    for name in ("vocabulary", "nonterminals", "rules", "start", "critical", "state_names"):
        found[name] = getattr(language, name, None)
    for name in ("log_p", "next_state", "arc_log_prob", "initial", "transitions", "stopping"):
        found[name] = getattr(language, name, np.zeros(0)).tolist()
    return found | {"strings": language.trie.strings.tolist() if isinstance(language, FiniteLanguage) else None}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_example_survives_the_round_trip(file, tmp_path):
    out = tmp_path / "other.yaml"
    data = load(str(file))
    write(str(out), str(file), data, read(str(file)), ())
    assert load(str(out)) == data
    assert parts(read(str(out))) == parts(read(str(file)))
    head = out.read_text(encoding="utf-8").splitlines()[0]
    assert head.startswith(f"# Written by python -m sim.describe from {str(file)!r}. Probabilities are exact, as they")


@pytest.mark.parametrize(
    "name", ["strings.yaml", "coins.yaml", "lift.jff", pytest.param("cfg3b.json", marks=pytest.mark.slow)]
)
def test_the_description_is_the_same_bit_for_bit(name, ask, tmp_path):
    file, out = next(one for one in EXAMPLES if one.name == name), tmp_path / "other.yaml"
    first = ask(file, "--write", out)
    assert first["about"]["written"] == str(out)
    assert same(first, ask(out))


def test_counts_and_the_flag_survive_too(ask, tmp_path):
    file = tmp_path / "g.pcfg"
    file.write_text("S -> 'a' [3] | 'b' S [4]\n", encoding="utf-8")
    first = ask(file, "--normalise", "--write", tmp_path / "other.yaml")
    assert same(first, ask(tmp_path / "other.yaml"))
    assert yaml.safe_load((tmp_path / "other.yaml").read_text(encoding="utf-8"))["normalise"] is True


CHANGES = [
    ("pfsa.yaml", ("--restrict", "regular, pattern: i.*")),
    ("moods.yaml", ("--restrict", "regular, pattern: yes .*")),
    ("moods.yaml", ("--length", "6")),
    ("markov.yaml", ("--tilt", "0.8")),
    ("strings.yaml", ("--tilt", "2", "--top-p", "0.9")),
    ("weather.yaml", ("--restrict", "top_mass, count: 5")),
    ("coins.yaml", ("--length", "7")),
    ("brackets.yaml", ("--length", "9")),
    ("counts.yaml", ("--restrict", "regular, pattern: not .*")),
    ("walks.pcfg", ("--restrict", "drop_mode, count: 1")),
    ("lift.jff", ("--length", "5", "--temperature", "1.5")),
]


def numbers(node):
    """All floats of a description, in order."""
    if isinstance(node, dict):
        return [x for key, item in node.items() if key not in ("steps", "warnings") for x in numbers(item)]
    if isinstance(node, list):
        return [x for item in node for x in numbers(item)]
    return [node] if isinstance(node, float) else []


@pytest.mark.parametrize(("name", "options"), CHANGES, ids=[" ".join((name, *options)) for name, options in CHANGES])
def test_a_changed_language_is_written_as_it_is(name, options, ask, tmp_path):
    out = tmp_path / "other.yaml"
    file = next(one for one in EXAMPLES if one.name == name)
    first = ask(file, *options, "--write", out)
    again = ask(out)
    assert again["about"]["symbols"] == first["about"]["symbols"]
    assert again["support"]["size"] == first["support"]["size"]
    for section in ("entropy", "diversity", "support"):
        ours, theirs = numbers(first[section]), numbers(again[section])
        if first["about"]["kind"] == again["about"]["kind"]:
            assert ours == pytest.approx(theirs, rel=1e-11)
    best, found = first["likeliest"]["strings"][0]["string"], again["likeliest"]["strings"]
    assert best in {row["string"] for row in found}
    head = out.read_text(encoding="utf-8").splitlines()[0]
    grammar = again["about"]["type"] == "pcfg"
    assert head.endswith(
        "Probabilities are exact rationals." if grammar else "Probabilities are floats, with all their digits."
    )


def test_a_renormalised_grammar_is_written_with_its_rationals(ask, tmp_path):
    file = tmp_path / "g.yaml"
    file.write_text("{type: pcfg, start: S, rules: [{lhs: S, rhs: [S, S], p: 2/3}, {lhs: S, rhs: [a], p: 1/3}]}")
    first = ask(file, "--renormalise", "--write", tmp_path / "other.yaml")
    (step,) = first.pop("steps")["steps"]
    assert step["probability_of_ending"] == pytest.approx(0.5, abs=1e-15)
    assert same(first, ask(tmp_path / "other.yaml"))
    text = (tmp_path / "other.yaml").read_text(encoding="utf-8")
    assert "after conditioning on derivations that end. Probabilities are exact rationals." in text


# -- symbols ----------------------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
TRICKY = (
    "no", "yes", "1", "0x1", "1.0", "1/2", "~", "null", "true", ":", "a: b", "- a", "#", "# a", "'", '"', "\\", "{",
    "}", "[", ",", "&a", "*a", "!a", "|", ">", "%", "@", "`", " a", "a ", "a\nb", "\n", "\t", "a\u2028b", "\x85",
    "\ufeff", "é", "中文", "😀", "---", "...", "?", "<<", "=", "normalise", "eos", "a  b", "x" * 200,
    "word " * 60, *HOSTILE,
)  # fmt: skip


def through_yaml(data):
    return structured("g.yaml", as_yaml(data, "a comment\nof two lines"))


def machine(symbols):
    """The mapping of an automaton with these symbols as symbols and as names of states."""
    p = f"1/{len(symbols) + 1}"
    return {
        "type": "pfsa",
        "eos": "the end of all",
        "states": list(symbols),
        "initial": {symbols[0]: "1"},
        "transitions": [{"from": s, "symbol": a, "to": a, "p": p} for s in symbols[:2] for a in symbols]
        + [{"from": s, "symbol": s, "to": s, "p": "1/2"} for s in symbols[2:]],
        "final": dict.fromkeys(symbols[:2], p) | dict.fromkeys(symbols[2:], "1/2"),
    }


def test_tricky_symbols_survive():
    data = machine(TRICKY)
    assert through_yaml(data) == data
    language = language_of("g.yaml", through_yaml(data))
    assert language.vocabulary.symbols[1:] == TRICKY
    assert language_of("g.yaml", through_yaml(mapping_of(language))).vocabulary == language.vocabulary


@settings(max_examples=25, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=5, unique=True))
def test_any_symbols_survive(symbols):
    data = machine(symbols)
    assert through_yaml(data) == data
    strings = {"type": "strings", "strings": dict.fromkeys(symbols, "1"), "normalise": "true"}
    assert through_yaml(strings) == strings


def test_what_looks_like_another_type_is_quoted_and_numbers_are_not():
    text = as_yaml(machine(("no", "1", "a")), "")
    plain = yaml.safe_load(text)
    assert plain["states"] == ["no", "1", "a"]
    assert "p: 1/4}" in text
    assert yaml.safe_load(as_yaml({"p": "0.25"}, "")) == {"p": 0.25}


def test_names_of_a_changed_machine_are_made_different():
    with np.errstate(divide="ignore"):
        log_prob = np.log([[0.5, 0.5], [1.0, 0.0]])
    twins = Automaton(Vocabulary(("e", "a")), np.array([[-1, 1], [-1, -1]]), log_prob, 0, ("s", "s"))
    data = mapping_of(twins)
    assert data["states"] == ["s.1", "s.2"]
    assert language_of("g.yaml", through_yaml(data)).log_prob([1]) == math.log(0.5)


def test_rare_strings_and_unused_symbols_are_kept():
    vocabulary = Vocabulary(("<eos>", "a b", "c", "d"))
    log_p = np.array([-900.0, math.log1p(-math.exp(-900.0))])
    rare = FiniteLanguage.from_strings(vocabulary, np.array([[1, 2, 0], [2, 0, 0]], np.int32), log_p)
    again = language_of("g.yaml", through_yaml(mapping_of(rare)))
    assert again.vocabulary.symbols == vocabulary.symbols
    assert again.log_prob([1, 2]) == pytest.approx(-900.0, rel=1e-15)


# -- what is refused --------------------------------------------------------------------------------------------------


def test_an_existing_file_is_never_touched(refused, tmp_path):
    out = tmp_path / "other.yaml"
    out.write_text("mine", encoding="utf-8")
    assert "a new file is required" in refused(PLAIN, "--write", out)
    assert out.read_text(encoding="utf-8") == "mine"
    (tmp_path / "link.yaml").symlink_to(tmp_path / "nowhere")
    assert "a new file is required" in refused(PLAIN, "--write", tmp_path / "link.yaml")
    assert not (tmp_path / "nowhere").exists()


def test_only_yaml_is_written(refused, tmp_path):
    assert "a name that ends in .yaml is required, found 'g.json'" in refused(PLAIN, "--write", "g.json")
    assert "a folder for --write is required" in refused(PLAIN, "--write", tmp_path / "no" / "g.yaml")


def test_nothing_is_written_if_the_description_is_refused(refused, tmp_path):
    file = next(one for one in EXAMPLES if one.name == "brackets.yaml")
    refused(file, "--string", "x", "--write", tmp_path / "g.yaml")
    assert not list(tmp_path.iterdir())


def test_a_language_that_no_file_holds_is_refused(tmp_path):
    only_empty = Automaton(Vocabulary(("e", "a")), np.array([[-1, -1]]), np.array([[0.0, -np.inf]]), 0)
    with pytest.raises(SpecificationError, match="its only string is the empty string"):
        mapping_of(only_empty)
    everywhere = Vocabulary(("<eos>", "a |/_,", "b"))
    full = FiniteLanguage.from_strings(everywhere, np.array([[1, 0]], np.int32), np.array([0.0]))
    with pytest.raises(SpecificationError, match="no separator is free"):
        mapping_of(full)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        endless = read(str(next(one for one in EXAMPLES if one.name == "coins.yaml")))
    with pytest.raises(SpecificationError, match="this kind of language cannot be written after a change"):
        mapping_of(endless)


def test_a_character_that_is_not_unicode_is_refused(refused, tmp_path):
    file = tmp_path / "g.json"
    file.write_text('{"type": "strings", "separator": " ", "strings": {"a\\ud800": 1}}', encoding="utf-8")
    assert load(str(file))["strings"]
    assert "a language that a grammar file can hold is required" in refused(file, "--write", tmp_path / "g.yaml")
    assert not (tmp_path / "g.yaml").exists()
