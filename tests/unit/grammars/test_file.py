"""Grammar files: what is written is what is read, exactly."""

import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml

from sim.grammars.file import file, read
from sim.languages.automaton import Automaton
from sim.languages.chain import Chain
from sim.languages.exact import UnavailableError
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg.language import ContextFree
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
    repeated, unreachable = r"transitions\[1\]: A -a-> A is listed twice", "state 'B', 'C' cannot be reached"
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


# -- chains of a higher order, and chains that never stop -------------------------------------------------------------


def paths_of_a_chain(data, length):
    """{symbols: probability} of the strings of a markov file of any order with fewer than `length` symbols."""
    order, found = int(data.get("order", 1)), {}
    for size in range(length):
        for x in itertools.product(data["alphabet"], repeat=size):
            p = Fraction(1)
            for at, symbol in enumerate((*x, data["eos"])):
                row = data["initial"] if at == 0 else data["transitions"].get(" ".join(x[max(0, at - order) : at]), {})
                p *= parse(row.get(symbol, "0"))
            if p:
                found[x] = p
    return found


ORDER_3 = """
type: markov
order: 3
alphabet: [a, b]
eos: e
initial: {a: 1}
transitions:
  a: {a: 1/2, b: 1/2}
  a a: {b: 1}
  a b: {b: 2/3, e: 1/3}
  a a b: {a: 1/4, e: 3/4}
  a b b: {b: 1/5, a: 1/5, e: 3/5}
  a b a: {a: 1/2, e: 1/2}
  b b b: {e: 1}
  b b a: {a: 1/7, e: 6/7}
  b a a: {e: 1}
"""


@pytest.mark.parametrize("text", [(EXAMPLES / "steps.yaml").read_text(), ORDER_3], ids=["two", "three"])
def test_a_chain_of_a_higher_order_against_brute_force(text, write):
    listed = paths_of_a_chain(yaml.load(text, yaml.BaseLoader), 8)
    language, notes = file(path=write(text), length=8)
    mass = sum(listed.values())
    assert language.support_size == len(listed)
    assert notes["dropped_mass"] == pytest.approx(float(1 - mass), abs=1e-15)
    for x, p in listed.items():
        assert language.log_prob(language.vocabulary.encode(x)) == pytest.approx(math.log(p / mass), abs=1e-13)


def test_an_unused_row_of_a_chain_is_warned_of(write):
    text = "{type: markov, order: 2, alphabet: [a, b], eos: e, initial: {a: 1}, transitions: {a: {e: 1}, b a: {e: 1}}}"
    with pytest.warns(UserWarning, match=r"transitions: 'b a' cannot be reached from the start \(left out\)"):
        read(write(text))


def test_a_chain_that_never_stops_starts_from_its_stationary_law():
    chain = read(str(EXAMPLES / "endless.yaml"))
    assert isinstance(chain, Chain)
    on = Fraction(1, 10) / (Fraction(1, 10) + Fraction(1, 4))
    assert np.exp(chain.next_log_probs([])[1:]) == pytest.approx([float(on), float(1 - on)], rel=1e-14)
    assert chain.frequencies()[1:] == pytest.approx([float(on), float(1 - on)], rel=1e-14)

    def h(p):
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    rate = float(on) * h(0.25) + float(1 - on) * h(0.1)
    assert chain.entropy_rate() == pytest.approx(rate, rel=1e-13)
    assert chain.block_entropies(5) == pytest.approx([0, *(h(float(on)) + n * rate for n in range(5))], rel=1e-13)
    assert chain.log_prefix(chain.vocabulary.encode(["on", "on", "off"])) == pytest.approx(
        math.log(on * Fraction(3, 16))
    )


def test_blocks_of_a_chain_are_a_world_of_strings_of_one_length():
    language, notes = file(path=str(EXAMPLES / "endless.yaml"), length=9)
    assert notes == {"dropped_mass": 0.0}
    assert (language.trie.lengths == 9).all()
    assert language.support_size == 2**8
    chain = read(str(EXAMPLES / "endless.yaml"))
    assert language.entropy() == pytest.approx(chain.block_entropies(8)[8], rel=1e-12)
    for row in language.trie.strings[::37]:
        assert language.log_prob(row) == pytest.approx(chain.log_prefix(row[:-1]), abs=1e-12)


def test_the_stationary_start_of_a_chain_of_order_two(write):
    """Blocks have the same law wherever they are read, from the start or later."""
    text = """{type: markov, order: 2, alphabet: [a, b], transitions:
      {a a: {a: 1/5, b: 4/5}, a b: {a: 1/2, b: 1/2}, b a: {a: 3/4, b: 1/4}, b b: {a: 1/3, b: 2/3}}}"""
    chain = read(write(text))
    blocks = {x: math.exp(chain.log_prefix(x)) for n in (2, 3, 4) for x in itertools.product((1, 2), repeat=n)}
    for x in itertools.product((1, 2), repeat=3):
        assert blocks[x] == pytest.approx(sum(blocks[(a, *x)] for a in (1, 2)), rel=1e-13)


def test_an_endless_chain_with_a_start_of_its_own_may_end_up_in_several_classes(write):
    text = """{type: markov, alphabet: [s, a, b], initial: {s: 1},
      transitions: {s: {s: 1/2, a: 1/3, b: 1/6}, a: {a: 1}, b: {b: 1}}}"""
    chain = read(write(text))
    assert chain.entropy_rate() == 0.0
    assert chain.frequencies()[1:] == pytest.approx([0, 2 / 3, 1 / 3], rel=1e-14)


def test_an_endless_chain_has_no_strings(write):
    chain = read(str(EXAMPLES / "endless.yaml"))
    for ask in (chain.entropy, chain.collision, lambda: chain.log_prob([1])):
        with pytest.raises(UnavailableError, match="its sequences never end"):
            ask()
    with pytest.raises(SpecificationError, match=r"length is required for a chain that never stops"):
        file(path=str(EXAMPLES / "endless.yaml"))


# -- automata that are not deterministic, and grammars ----------------------------------------------------------------


def test_a_machine_is_hidden_only_where_it_has_to_be():
    assert isinstance(read(str(EXAMPLES / "moods.yaml")), HiddenAutomaton)
    assert isinstance(read(str(EXAMPLES / "pfsa.yaml")), Automaton)


def test_the_hidden_example_against_the_sum_over_its_paths():
    path = EXAMPLES / "moods.yaml"
    data = yaml.load(path.read_text(), yaml.BaseLoader)
    language = read(str(path))
    for x in itertools.product(("yes", "maybe", "no"), repeat=4):
        total = Fraction(0)
        for states in itertools.product(data["states"], repeat=5):
            p = parse(data["initial"][states[0]]) * parse(data["final"][states[-1]])
            for s, symbol, t in zip(states, x, states[1:], strict=False):
                arcs = [a for a in data["transitions"] if (a["from"], a["symbol"], a["to"]) == (s, symbol, t)]
                p *= parse(arcs[0]["p"]) if arcs else 0
            total += p
        assert math.exp(language.log_prob(language.vocabulary.encode(x))) == pytest.approx(float(total), rel=1e-13)


def test_the_ambiguous_example_has_two_readings_of_one_sentence():
    grammar = read(str(EXAMPLES / "attachment.yaml"))
    assert isinstance(grammar, ContextFree)
    words = "I saw the man with the telescope".split()
    readings = Fraction(2, 5) * Fraction(4, 5) ** 2 * Fraction(1, 2) * Fraction(1, 4) * Fraction(7, 10)
    expected = readings * (Fraction(3, 10) + Fraction(1, 5))
    assert math.exp(grammar.log_prob(grammar.vocabulary.encode(words))) == pytest.approx(float(expected), rel=1e-13)
    assert not grammar.ambiguity.unambiguous


def test_rules_of_a_grammar_are_merged_and_left_out_as_stated(write):
    text = """{type: pcfg, start: S, terminals: [a, b, c], rules: [
      {lhs: S, rhs: [a, S], p: 1/4}, {lhs: S, rhs: [a, S], p: 1/4}, {lhs: S, rhs: [b], p: 1/2},
      {lhs: S, rhs: [c], p: 0}, {lhs: T, rhs: [a], p: 1}]}"""
    with pytest.warns(UserWarning, match="g.yaml") as warned:
        grammar = read(write(text))
    said = [str(one.message) for one in warned]
    assert said == [
        "g.yaml: rules[1]: S -> a S is listed twice (probabilities added)",
        "g.yaml: non-terminal 'T' cannot be reached from the start (left out)",
    ]
    assert grammar.nonterminals == ("S",)
    assert [(rule.rhs, rule.p) for rule in grammar.rules] == [((1, ~0), Fraction(1, 2)), ((2,), Fraction(1, 2))]
    assert grammar.vocabulary.symbols == ("<eos>", "a", "b", "c")
    assert grammar.log_prob([3]) == -math.inf
    assert grammar.entropy() == pytest.approx(2 * math.log(2), rel=1e-14)


def test_a_critical_grammar_is_flagged_and_an_inconsistent_one_renormalised_when_asked(write):
    text = "{type: pcfg, start: S, rules: [{lhs: S, rhs: [S, S], p: P}, {lhs: S, rhs: [a], p: Q}]}"
    with pytest.warns(UserWarning, match=r"g.yaml: a critical grammar \(spectral radius exactly 1"):
        critical = read(write(text.replace("P", "1/2").replace("Q", "1/2")))
    assert critical.expected_length() == math.inf
    with pytest.raises(SpecificationError, match=r"found a total mass of 0\.428571428571;"):
        read(write(text.replace("P", "7/10").replace("Q", "3/10")))
    kept = read(write(text.replace("P", "7/10").replace("Q", "3/10")), renormalise=True)
    mass = Fraction(3, 7)  # the least solution of z = 7/10 z^2 + 3/10
    assert {rule.rhs: float(rule.p) for rule in kept.rules} == pytest.approx(
        {(~0, ~0): float(Fraction(7, 10) * mass), (1,): float(Fraction(3, 10) / mass)}, rel=1e-12
    )


def test_a_grammar_is_a_world_up_to_a_length():
    language, notes = file(path=str(EXAMPLES / "brackets.yaml"), length=9)
    assert language.support_size == 1 + 1 + 2 + 5 + 14
    catalan = {0: 1, 2: 1, 4: 2, 6: 5, 8: 14}
    mass = sum(n * Fraction(3, 10) ** (k // 2) * Fraction(7, 10) ** (k // 2 + 1) for k, n in catalan.items())
    assert notes["dropped_mass"] == pytest.approx(float(1 - mass), rel=1e-12)
    assert math.exp(language.log_prob(language.vocabulary.encode("(())()"))) == pytest.approx(
        float(Fraction(3, 10) ** 3 * Fraction(7, 10) ** 4 / mass), rel=1e-12
    )
    with pytest.raises(SpecificationError, match=r"length=\d+ drops .* of the mass and keeps \d+ strings"):
        file(path=str(EXAMPLES / "brackets.yaml"))
