"""python -m sim.describe: every number of the JSON against hand calculation or enumeration, and what is refused."""

import json
import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sim.describe.command import main
from sim.grammars.file import file, read
from sim.languages import hidden_ops

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "grammars"
DOCS = (ROOT / "docs" / "describe.md").read_text(encoding="utf-8")


def exact(quantity):
    assert quantity["exactness"] == "exact"
    assert quantity["value"] == quantity["lower"] == quantity["upper"]
    return quantity["value"]


def bounds(quantity):
    assert quantity["exactness"] == "bounded"
    assert quantity["value"] is None
    return quantity["lower"], quantity["upper"]


# -- numbers ----------------------------------------------------------------------------------------------------------

THREE = "type: strings\nname: three words\nstrings: {a: 1/2, ab: 1/4, b: 1/4}\n"


def test_a_list_by_hand(write, ask):
    said = ask(write(THREE))
    assert said["about"] == {
        "file": "g.yaml",
        "name": "three words",
        "type": "strings",
        "kind": "a finite language, listed",
        "tier": "A",
        "num_symbols": 2,
        "symbols": ["a", "b"],
        "eos": "<eos>",
    }
    h = 1.5 * math.log(2)
    assert exact(said["entropy"]["entropy"]) == pytest.approx(h, rel=1e-14)
    assert exact(said["entropy"]["entropy_per_token"]) == pytest.approx(h / 2.25, rel=1e-14)
    assert said["support"]["size"] == 3
    assert exact(said["support"]["expected_length"]) == 1.25
    assert said["support"]["longest"] == 2
    assert said["support"]["counts"][:4] == [0, 2, 1, 0]
    assert exact(said["diversity"]["collision"]) == pytest.approx(3 / 8, rel=1e-14)
    hill = [exact(said["diversity"][f"hill_{order}"]) for order in ("0", "1", "2", "inf")]
    assert hill == pytest.approx([3, 2**1.5, 8 / 3, 2], rel=1e-14)
    assert said["likeliest"]["proved"]
    assert [row["string"] for row in said["likeliest"]["strings"]] == ["a", "ab", "b"]
    assert [row["p"] for row in said["likeliest"]["strings"]] == pytest.approx([0.5, 0.25, 0.25], rel=1e-14)


def test_brackets_by_closed_forms(ask):
    """E|x| = 2p/(1-2p), H = h(p)/(1-2p), C = (1 - sqrt(1 - 4 p^2 q^2)) / 2p^2 with p = 3/10, q = 7/10."""
    p, q = 0.3, 0.7
    said = ask(EXAMPLES / "brackets.yaml", "--counts", 9)
    assert exact(said["support"]["expected_length"]) == pytest.approx(2 * p / (1 - 2 * p), rel=1e-13)
    h = (-p * math.log(p) - q * math.log(q)) / (1 - 2 * p)
    assert exact(said["entropy"]["entropy"]) == exact(said["entropy"]["derivation_entropy"])
    assert exact(said["entropy"]["entropy"]) == pytest.approx(h, rel=1e-13)
    assert exact(said["diversity"]["collision"]) == pytest.approx((1 - math.sqrt(1 - 4 * p**2 * q**2)) / (2 * p**2))
    assert said["support"]["counts"] == [1, 0, 1, 0, 2, 0, 5, 0, 14]
    assert said["support"]["size"] == said["support"]["longest"] == "inf"
    assert said["about"]["ambiguity"]["verdict"] == "unambiguous"
    assert said["about"]["criticality"] == "subcritical"
    assert exact(said["diversity"]["hill_0"]) == "inf"


@pytest.mark.parametrize("name", ["moods", "attachment"])
def test_bounds_hold_what_enumeration_says(name, ask):
    """Strings up to a horizon give H from below: H >= -sum p log p over them, and the rest is small."""
    path = EXAMPLES / f"{name}.yaml"
    said = ask(path)
    lower, upper = bounds(said["entropy"]["entropy"])
    length = 12 if name == "moods" else 14
    language, _ = file(path=str(path), length=length, max_strings=10**6)
    whole = read(str(path))
    log_p = language.log_p + whole.log_mass_within(length)
    partial = -math.fsum(np.exp(log_p) * log_p)
    assert lower <= upper
    assert upper > partial
    other = "path_entropy" if name == "moods" else "derivation_entropy"
    assert exact(said["entropy"][other]) == upper
    head = [row["p"] for row in said["likeliest"]["strings"]]
    assert head == pytest.approx(sorted(np.exp(log_p), reverse=True)[:10], rel=1e-12)
    assert said["likeliest"]["proved"]
    assert exact(said["diversity"]["hill_inf"]) == pytest.approx(1 / head[0], rel=1e-14)


@pytest.mark.parametrize("name", ["moods", "attachment"])
def test_a_length_makes_strings_countable_and_everything_exact(name, ask):
    length = 7
    said = ask(EXAMPLES / f"{name}.yaml", "--length", length)
    language, notes = file(path=str(EXAMPLES / f"{name}.yaml"), length=length)
    assert said["about"]["tier"] == "A"
    assert exact(said["entropy"]["entropy"]) == pytest.approx(language.entropy(), rel=1e-11)
    assert exact(said["diversity"]["collision"]) == pytest.approx(language.collision(), rel=1e-11)
    assert said["support"]["size"] == language.support_size
    assert said["steps"]["steps"][0]["dropped_mass"] == pytest.approx(notes["dropped_mass"], rel=1e-12)
    assert exact(said["support"]["expected_length"]) == pytest.approx(language.expected_length(), rel=1e-11)


def test_a_chain_that_never_stops(ask):
    said = ask(EXAMPLES / "endless.yaml", "--counts", 3, "--prefix", "on on", "--next", "off", "--positions", 2)
    on = 2 / 7

    def h(p):
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    rate = on * h(0.25) + (1 - on) * h(0.1)
    assert exact(said["entropy"]["entropy_rate"]) == pytest.approx(rate, rel=1e-13)
    assert [exact(one) for one in said["entropy"]["block_entropies"]] == pytest.approx(
        [0.0, h(on), h(on) + rate, h(on) + 2 * rate], rel=1e-13
    )
    assert said["entropy"]["frequencies"] == pytest.approx({"on": on, "off": 1 - on}, rel=1e-13)
    assert said["prefixes"]["on on"]["p"] == pytest.approx(on * 0.75, rel=1e-13)
    assert said["next"]["off"] == pytest.approx({"off": 0.9, "on": 0.1}, rel=1e-13)
    assert [row["entropy"] for row in said["positions"]["positions"]] == pytest.approx([h(on), rate], rel=1e-13)
    assert "support" not in said
    assert ask(EXAMPLES / "endless.yaml", "--length", 4)["support"]["size"] == 8


def test_a_hidden_chain_that_never_stops(ask, refused):
    """By hand: P(h) = (1/2 + 9/10) / 2 at first, and P(hh) over the four paths of two states."""
    said = ask(EXAMPLES / "coins.yaml", "--counts", 2, "--prefix", "hh", "--next", "h", "--positions", 2)
    both = Fraction(1, 2) * Fraction(1, 2) * (Fraction(19, 20) * Fraction(1, 2) + Fraction(1, 20) * Fraction(9, 10))
    both += Fraction(1, 2) * Fraction(9, 10) * (Fraction(1, 10) * Fraction(1, 2) + Fraction(9, 10) * Fraction(9, 10))
    assert said["prefixes"]["hh"]["p"] == pytest.approx(float(both), rel=1e-13)
    assert said["next"]["h"]["h"] == pytest.approx(float(both / Fraction(7, 10)), rel=1e-13)
    h = -0.7 * math.log(0.7) - 0.3 * math.log(0.3)
    assert exact(said["entropy"]["block_entropies"][1]) == pytest.approx(h, rel=1e-13)
    assert said["positions"]["positions"][0]["entropy"] == pytest.approx(h, rel=1e-13)
    lower, upper = bounds(said["entropy"]["entropy_rate"])
    assert 0.6352 < lower < upper < 0.6353
    assert said["entropy"]["frequencies"] == pytest.approx({"h": 19 / 30, "t": 11 / 30}, rel=1e-13)
    assert ask(EXAMPLES / "coins.yaml", "--length", 4)["support"]["size"] == 8
    assert "--positions: only 14 symbols have few enough blocks" in refused(EXAMPLES / "coins.yaml", "--positions", 30)


def test_what_is_asked_for(ask):
    options = ("--string", "()", "--string", ")(", "--prefix", "((", "--next", "((", "--next", "")
    said = ask(EXAMPLES / "brackets.yaml", *options)
    assert said["strings"]["()"]["p"] == pytest.approx(0.3 * 0.49, rel=1e-13)
    assert said["strings"][")("] == {"p": 0.0, "log_p": "-inf"}
    assert said["prefixes"]["(("]["p"] == pytest.approx(0.09, rel=1e-13)
    assert said["next"]["(("] == pytest.approx({")": 0.7, "(": 0.3}, rel=1e-13)
    assert said["next"][""] == pytest.approx({"<eos>": 0.7, "(": 0.3}, rel=1e-13)


@pytest.mark.parametrize(
    ("name", "options"), [("markov", ()), ("strings", ()), ("moods", ("--length", 8)), ("brackets", ("--length", 9))]
)
def test_entropies_by_position_sum_to_the_entropy(name, options, ask):
    said = ask(EXAMPLES / f"{name}.yaml", *options, "--positions", 400)
    rows = said["positions"]["positions"]
    assert math.fsum(row["entropy"] for row in rows) == pytest.approx(exact(said["entropy"]["entropy"]), rel=1e-10)
    assert rows[0] == {"position": 0, "alive": 1.0, "entropy": rows[0]["entropy"]}
    alive = math.fsum(row["alive"] for row in rows)  # decisions of a string: its symbols and its end
    assert alive == pytest.approx(exact(said["support"]["expected_length"]) + 1, rel=1e-10)


def test_a_restriction_says_its_accounting(ask):
    said = ask(EXAMPLES / "brackets.yaml", "--restrict", "drop_mode, count: 1")
    step = said["steps"]["steps"][0]
    assert step["log_mass"] == pytest.approx(math.log(0.3), rel=1e-13)
    assert exact(step["shift_total"]) == step["shift_conditioning"] == pytest.approx(-math.log(0.3), rel=1e-13)
    assert step["shift_narrowing"] == 0.0
    assert step["notes"]["dropped_mass"] == pytest.approx(0.7)
    h, coin = (-0.3 * math.log(0.3) - 0.7 * math.log(0.7)) / 0.4, -0.3 * math.log(0.3) - 0.7 * math.log(0.7)
    assert exact(step["entropy_after"]) == pytest.approx((h - coin) / 0.3, rel=1e-12)
    assert exact(said["entropy"]["entropy"]) == pytest.approx((h - coin) / 0.3, rel=1e-12)
    assert said["strings"] if "strings" in said else True


def test_restrictions_in_turn_and_a_latent_one(ask, write):
    text = """{type: pfsa, states: [A, B], initial: {A: 1}, transitions: [{from: A, symbol: a, to: A, p: 1/4},
      {from: A, symbol: a, to: B, p: 1/4}, {from: B, symbol: a, to: B, p: 1/2}], final: {A: 1/2, B: 1/2}}"""
    name = write(text)
    said = ask(name, "--length", 6, "--restrict", "regular, pattern: a+", "--restrict", "sharpen, temperature: 0.5")
    assert [step["step"] for step in said["steps"]["steps"]] == ["truncation", "restriction", "restriction"]
    p = np.array([0.5**n / 2 for n in range(1, 6)])  # whatever the path, a^n has probability 2^-(n+1)
    assert said["likeliest"]["strings"][0]["p"] == pytest.approx(p[0] ** 2 / (p**2).sum(), rel=1e-10)
    deleted = ask(name, "--restrict", "sub_grammar, states: [B]")["steps"]["steps"][0]
    assert bounds(deleted["shift_total"])[0] == 0.0
    assert math.exp(deleted["log_mass"]) == pytest.approx(0.5 / 0.75, rel=1e-13)


def test_tilts_and_decoding(ask, write):
    name = write(THREE)
    assert exact(ask(name, "--entropy", "0.9")["entropy"]["entropy"]) == pytest.approx(0.9, abs=1e-9)
    tilted = ask(name, "--tilt", "0.5")
    assert [row["p"] for row in tilted["likeliest"]["strings"]] == pytest.approx([4 / 6, 1 / 6, 1 / 6], rel=1e-13)
    greedy = ask(name, "--temperature", "0")  # a or b: a; then the end or b: the end
    assert [row["string"] for row in greedy["likeliest"]["strings"]] == ["a"]
    nucleus = ask(name, "--top-p", "0.7")
    assert {row["string"]: row["p"] for row in nucleus["likeliest"]["strings"]} == pytest.approx(
        {"a": 2 / 3, "ab": 1 / 3}
    )
    assert {row["string"] for row in ask(name, "--top-k", "1")["likeliest"]["strings"]} == {"a"}
    assert ask(name, "--min-p", "0.4")["support"]["size"] == 2


def test_another_language(ask, write):
    one, other = write(THREE), write("type: strings\nstrings: {b: 1/2, a: 1/4, ab: 1/4}\n", "h.yaml")
    said = ask(one, "--against", other)["against"]
    assert exact(said["kl"]) == pytest.approx(0.25 * math.log(2), rel=1e-13)
    assert exact(said["reverse_kl"]) == pytest.approx(0.25 * math.log(2), rel=1e-13)
    assert exact(said["total_variation"]) == pytest.approx(0.25, rel=1e-13)
    beyond = write("type: strings\nstrings: {b: 1/2, c: 1/2}\n", "i.yaml")
    said = ask(one, "--against", beyond)["against"]
    assert exact(said["kl"]) == exact(said["reverse_kl"]) == "inf"
    assert exact(said["total_variation"]) == pytest.approx(0.75, rel=1e-13)
    machines = ask(EXAMPLES / "markov.yaml", "--against", EXAMPLES / "steps.yaml")["against"]
    assert exact(machines["total_variation"]) == 1.0
    assert exact(machines["jensen_shannon"]) == pytest.approx(math.log(2), rel=1e-14)


def test_a_grammar_whose_strings_cannot_be_counted_says_so(ask, write):
    rules = [
        f"{{lhs: A{n}, rhs: [A{n + 1}, A{n + 1}], p: 1/2}}, {{lhs: A{n}, rhs: [A{n + 1}], p: 1/2}}" for n in range(40)
    ]
    last = "{lhs: A40, rhs: [a], p: 1/3}, {lhs: A40, rhs: [b], p: 2/3}"
    text = f"{{type: pcfg, start: A0, rules: [{', '.join(rules)}, {last}]}}"
    said = ask(write(text))
    assert said["about"]["tier"] == "B"
    assert exact(said["support"]["expected_length"]) == pytest.approx(1.5**40, rel=1e-12)
    visits = sum(Fraction(3, 2) ** n for n in range(40))
    h = float(visits) * math.log(2) + 1.5**40 * (math.log(3) - 2 / 3 * math.log(2))
    assert exact(said["entropy"]["derivation_entropy"]) == pytest.approx(h, rel=1e-12)
    assert said["support"]["longest"] == 2**40
    assert said["support"]["size"]["at_most_log10"] > 10**10
    assert "hill_0" not in said["diversity"]


def test_a_finite_support_that_cannot_be_counted_is_not_called_infinite(ask, write, monkeypatch, capsys):
    """Two states in every layer, which both read a and b: the machine of sets would be larger than is allowed."""
    monkeypatch.setattr(hidden_ops, "MAX_SETS", 8)
    layers = range(24)
    moves = [
        f"{{from: {s}{t}, symbol: {a}, to: {q}{t + 1}, p: 1/4}}"
        for t in layers
        for s in "uv"
        for q in "uv"
        for a in "ab"
    ]
    states = [f"{s}{t}" for t in range(25) for s in "uv"]
    text = f"{{type: pfsa, states: [{', '.join(states)}], initial: {{u0: 1}}, transitions: [{', '.join(moves)}], "
    name = write(text + "final: {u24: 1, v24: 1}}")
    said = ask(name)
    assert said["support"]["size"]["at_least"] >= 1
    assert said["support"]["size"]["at_most"] == "inf"
    assert said["diversity"]["hill_0"]["exactness"] == "bounded"
    assert main([name]) == 0
    assert "infinitely many" not in capsys.readouterr().out


def test_warnings_are_heard(write, capsys):
    name = write("{type: pcfg, start: S, rules: [{lhs: S, rhs: [S, S], p: 1/2}, {lhs: S, rhs: [a], p: 1/2}]}")
    assert main([name, "--json"]) == 0
    out = capsys.readouterr()
    said = json.loads(out.out)
    assert said["warnings"] == [line.removeprefix("warning: ") for line in out.err.splitlines()]
    assert "a critical grammar" in said["warnings"][0]
    assert exact(said["support"]["expected_length"]) == "inf"
    assert exact(said["entropy"]["derivation_entropy"]) == "inf"
    assert said["about"]["criticality"] == "critical"


def test_an_inconsistent_grammar_is_renormalised_when_asked(write, ask, refused):
    name = write("{type: pcfg, start: S, rules: [{lhs: S, rhs: [S, S], p: 2/3}, {lhs: S, rhs: [a], p: 1/3}]}")
    assert "found a total mass of 0.5;" in refused(name)
    assert exact(ask(name, "--renormalise")["support"]["expected_length"]) == pytest.approx(2.0, rel=1e-12)


# -- form -------------------------------------------------------------------------------------------------------------

SHOWN = [
    ("brackets", ("--next", "(", "--restrict", "drop_mode, count: 1", "--string", "()")),
    ("attachment", ("--length", "9", "--positions", "4", "--against", str(EXAMPLES / "strings.yaml"))),
    (
        "moods",
        (
            "--prefix",
            "yes",
            "--string",
            "yes no",
            "--sample",
            "30",
        ),
    ),
    ("strings", ("--tilt", "2", "--top-p", "0.9")),
    ("endless", ("--against", str(EXAMPLES / "endless.yaml"))),
    ("coins", ("--prefix", "hh", "--positions", "3", "--counts", "4")),
    ("steps", ("--entropy", "3")),
]


def keys_of(node, free=()):
    """Keys of the JSON, but for those that are data."""
    if isinstance(node, dict):
        return {key for key, value in node.items() for key in {key, *keys_of(value)}}
    return {key for item in node for key in keys_of(item)} if isinstance(node, list) else set()


@pytest.mark.parametrize(("name", "options"), SHOWN)
def test_every_key_is_documented(name, options, ask):
    said = ask(EXAMPLES / f"{name}.yaml", *options)
    for section in ("strings", "prefixes", "next"):  # their keys are what was asked for
        if section in said:
            said[section] = [item if section != "next" else {} for item in said[section].values()]
    for step in said.get("steps", {}).get("steps", []):
        step.pop("restriction", None)
        step.pop("notes", None)
    said.get("entropy", {}).pop("frequencies", None)
    documented = set(re.findall(r"`\"?([a-z_0-9]+)\"?`|\"([a-z]+)\"", DOCS))
    missing = keys_of(said) - {key for pair in documented for key in pair} - {"note"}
    assert not missing


@pytest.mark.parametrize(("name", "options"), SHOWN)
def test_the_text_says_the_same_and_fits_the_screen(name, options, capsys):
    assert main([str(EXAMPLES / f"{name}.yaml"), *options]) == 0
    text = capsys.readouterr().out
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "exact" in text
    assert main([str(EXAMPLES / f"{name}.yaml"), *options, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    key = "entropy" if "entropy" in said["entropy"] else "entropy_rate"
    value = said["entropy"][key]
    shown = (
        f"{value['value']:.6g}" if value["exactness"] == "exact" else f"{value['lower']:.6g} to {value['upper']:.6g}"
    )
    assert shown in text
    if value["exactness"] == "exact":
        assert f"= {value['value'] / math.log(2):.6g} bits" in text
    assert str(said["about"]["kind"]) in text


REFUSED = [
    (("--next", "x"), "--next 'x': unknown symbol 'x'"),
    (("--string", "<eos>"), "--string '<eos>': unknown symbol '<'"),
    (("--next", ")("), "--next ')(': prefix ')(' has probability 0: no next token is defined"),
    (("--length", "0"), "--length: an integer of at least 1"),
    (("--tilt", "0"), "temperature: a positive number is required, found 0.0"),
    (("--tilt", "9"), "lower it (below about 1.12577)"),
    (("--tilt", "2", "--entropy", "1"), "--tilt, --entropy: one of the two is required, found both"),
    (("--entropy", "-1"), "--entropy: the entropy of a tilt of this language must lie between 0 and inf nats"),
    (("--entropy", "1e9"), "--entropy: an entropy that a temperature from e^-12 to e^12 reaches to 1e-09 nats"),
    (("--restrict", "foo"), "restriction.kind: one of answers, "),
    (("--restrict", "top_mass, cuont: 3"), "restriction.cuont: unknown argument of top_mass (did you mean 'count'?)"),
    (("--restrict", "regular, pattern: a"), "a symbol of the language is required, found 'a'"),
    (("--restrict", "regular, pattern: '\\)'"), "P(A) must be positive, found 0"),
    (("--restrict", "style, keep: plain"), "a language with styles is required"),
    (("--restrict", "fraction, share: 0.5"), "list its strings with a length"),
    (("--restrict", "regular: ["), "--restrict 'regular: [': 'kind, argument: value' is required"),
    (("--restrict", ", count: 1"), "found no kind"),
    (("--top-k", "2"), "--top-k: there are infinitely many different laws of the next token"),
    (("--top-p", "2", "--length", "9"), "top_p: a number above 0 and at most 1 is required, found 2.0"),
    (("--positions", "3"), "--positions: the law of the next token depends on the whole prefix"),
    (("--against", "nowhere.yaml"), "nowhere.yaml: a grammar file is required, found no such file"),
]


@pytest.mark.parametrize(("options", "fragment"), REFUSED, ids=[" ".join(options) for options, _ in REFUSED])
def test_what_is_refused(options, fragment, refused, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert fragment in refused("examples/grammars/brackets.yaml", *options)


def test_an_endless_chain_has_little_to_compare(refused):
    assert "use --length" in refused(EXAMPLES / "endless.yaml", "--against", EXAMPLES / "steps.yaml")
    assert "its sequences never end" in refused(EXAMPLES / "endless.yaml", "--string", "on")


def test_a_decoding_that_never_ends_is_refused(write, refused):
    name = write("{type: markov, alphabet: [a], eos: e, initial: {a: 1}, transitions: {a: {a: 3/4, e: 1/4}}}")
    assert "some strings would never stop, because their end is removed" in refused(name, "--top-k", "1")
