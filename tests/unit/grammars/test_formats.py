"""Formats of other programs, hidden Markov models and counts: against nltk, hmmlearn, and sums over all paths."""

import itertools
import json
import math
import random
from fractions import Fraction
from pathlib import Path

import nltk
import numpy as np
import pytest

from sim.grammars.file import file, load, read
from sim.languages.automaton import Automaton
from sim.languages.chain import Chain
from sim.languages.hidden import HiddenAutomaton
from sim.languages.hidden_chain import HiddenChain
from sim.languages.pcfg.language import ContextFree
from sim.numerics import SpecificationError

EXAMPLES = Path(__file__).parents[3] / "examples" / "grammars"


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def to(text, name):
        Path(name).write_text(text, encoding="utf-8")
        return name

    return to


@pytest.fixture
def refused(write):
    def line(text, name, **options):
        with pytest.raises(SpecificationError) as raised:
            read(write(text, name), **options)
        message = str(raised.value)
        assert "\n" not in message
        assert message.startswith(name)
        assert "found" in message
        return message

    return line


# -- nltk -------------------------------------------------------------------------------------------------------------


def inside(grammar, words):
    """The probability of a string as the sum over the parses of nltk, which multiplies the numbers itself."""
    parser = nltk.InsideChartParser(grammar)
    return sum(tree.prob() for tree in parser.parse(words)) if words else 0.0


def rules_of(language):
    """{(left-hand side, right-hand side): probability}; terminals are quoted."""
    symbols = language.vocabulary.symbols

    def name(symbol):
        return language.nonterminals[~symbol] if symbol < 0 else repr(symbols[symbol])

    return {
        (language.nonterminals[rule.lhs], tuple(map(name, rule.rhs))): rule.p for rule in language.rules
    }  # fmt: skip


def nltk_rules(text):
    grammar = nltk.PCFG.fromstring(text)
    sides = {}
    for one in grammar.productions():
        rhs = tuple(str(part) if isinstance(part, nltk.Nonterminal) else repr(part) for part in one.rhs())
        sides[str(one.lhs()), rhs] = one.prob()
    return str(grammar.start()), sides


def test_the_example_of_nltk_is_what_nltk_reads():
    text = (EXAMPLES / "walks.pcfg").read_text(encoding="utf-8")
    language = read(str(EXAMPLES / "walks.pcfg"))
    start, sides = nltk_rules(text)
    assert isinstance(language, ContextFree)
    assert language.nonterminals[language.start] == start
    assert {sides_: float(p) for sides_, p in rules_of(language).items()} == sides
    grammar = nltk.PCFG.fromstring(text)
    for words in ("the dog walks", "a old park sleeps and walks", "the dog walks in the old park", "dog the"):
        found = language.log_prob(language.vocabulary.encode(words.split()))
        assert math.exp(found) == pytest.approx(inside(grammar, words.split()), rel=1e-13)


PIECES = ["A", "B", "'a'", '"b"', "'a b'", '"it\'s"', "'#'", "'|'", "'->'", "'[0.5]'"]


@pytest.mark.parametrize("seed", range(20))
def test_random_texts_are_read_as_nltk_reads_them(seed, write):
    rng = random.Random(seed)
    lines = ["# a comment", ""]
    for head in ("S", "A", "B"):
        cuts = sorted(rng.sample(range(1, 20), rng.randint(0, 3)))
        shares = [b - a for a, b in itertools.pairwise([0, *cuts, 20])]
        sides = [" ".join(rng.choices(PIECES[0 if head == "S" else 2 :], k=rng.randint(1, 3))) for _ in shares]
        if len(set(sides)) < len(sides):  # nltk keeps both, the last one counts in a mapping
            sides, shares = ["'a' B" if head == "S" else "'a'"], [20]
        bodies = [f"{side} [{share / 20}]" for side, share in zip(sides, shares, strict=True)]
        joint = rng.random() < 0.5
        lines += [f"{head} -> {' | '.join(bodies)}"] if joint else [f"{head} -> {body}" for body in bodies]
    rng.shuffle(lines)
    text = "%start S\n" + rng.choice(["\n", "\\\n"]).join(["", *lines[:0]]) + "\n".join(lines)
    start, expected = nltk_rules(text)
    data = load(write(text, "g.pcfg"))
    assert data["start"] == start

    def quoted(name):
        return name if name in ("S", "A", "B") else repr(name)

    found = {(rule["lhs"], tuple(map(quoted, rule["rhs"]))): float(Fraction(rule["p"])) for rule in data["rules"]}
    assert found == expected


def test_details_of_the_text_of_nltk(write):
    text = (
        "# comment\n%start S  # the start\nB -> 'b' [1/3] | [2/3]\nS -> A \\\n  B [1.]  # joined\nA -> '#' [.5] "
        "| \"'\" B [0.25]|'|'[0.25]\n"
    )
    language = read(write(text, "g.pcfg"))
    assert language.nonterminals[language.start] == "S"
    assert rules_of(language) == {
        ("B", ("'b'",)): Fraction(1, 3),
        ("B", ()): Fraction(2, 3),
        ("S", ("A", "B")): 1,
        ("A", ("'#'",)): Fraction(1, 2),
        ("A", ('"\'"', "B")): Fraction(1, 4),
        ("A", ("'|'",)): Fraction(1, 4),
    }
    assert read(write("\ufeffS->'a'[0.1]|'b'[0.9]\r\n", "g.PCFG")).rules[0].p == Fraction(1, 10)


def test_alternatives_without_numbers_are_equally_likely_with_a_warning(write):
    path = write("S -> 'a' | 'b' S | 'c' T\nT -> 'd' [0.1] | 'e' [0.9]\nS -> 'f'", "g.pcfg")
    with pytest.warns(UserWarning, match=r"g.pcfg: no probabilities for 'S'; its alternatives are taken as equally"):
        language = read(path)
    assert sorted(rules_of(language).values()) == [Fraction(1, 10), *[Fraction(1, 4)] * 4, Fraction(9, 10)]


def test_counts_are_divided_exactly(write):
    text = "S -> 'a' [3] | 'b' S [4]\nS -> 'c' [5.5]\n"
    path = write(text, "g.pcfg")
    expected = [Fraction(6, 25), Fraction(8, 25), Fraction(11, 25)]
    language = read(path, normalise=True)
    assert [rule.p for rule in language.rules] == expected
    listed, _ = file(path=path, length=3, normalise=True)
    assert math.exp(listed.log_prob(listed.vocabulary.encode("ba"))) == pytest.approx(
        float(expected[1] * expected[0] / (1 - expected[1] ** 2)), rel=1e-14
    )
    with pytest.raises(SpecificationError, match=r"found 3; correct it, or write normalise: true"):
        read(path)


def test_normalise_and_renormalise_are_different(write):
    text = "{type: pcfg, start: S, rules: [{lhs: S, rhs: [S, S], p: 2}, {lhs: S, rhs: [a], p: 1}]}"
    path = write(text, "g.yaml")
    with pytest.raises(SpecificationError, match=r"found a total mass of 0\.5;"):
        read(path, normalise=True)
    both = read(path, normalise=True, renormalise=True)
    assert [float(rule.p) for rule in both.rules] == pytest.approx([1 / 3, 2 / 3], rel=1e-14)


def test_a_word_and_a_category_may_have_the_same_name(write):
    language = read(write("S -> NP 'S' [1.0]\nNP -> 'NP' [0.5] | '<NP>' [0.5]", "g.pcfg"))
    assert language.vocabulary.symbols[1:] == ("S", "NP", "<NP>")
    assert language.nonterminals == ("<S>", "<<NP>>")
    assert math.exp(language.log_prob(language.vocabulary.encode(["NP", "S"]))) == pytest.approx(0.5, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "a grammar is required, found no production"),
        ("# nothing\n", "found no production"),
        ("S -> 'a' [0.5] | 'b'", "line 1: a number for every alternative of S is required (or for none)"),
        ("S -> 'a' [0.5]\nS -> 'b' [0.6]", "rules of S: probabilities must sum to 1 within 1e-9, found 1.1"),
        ("S -> 'a' [half]", "rules[0].p: a probability is required, found 'half'"),
        ("S -> 'a' [-1]", "a probability from 0 to 1 is required, found -1"),
        ("S -> 'a' [1] 'b'", "line 1: one number at the end of an alternative is required"),
        ("S -> 'a [1]", 'line 1, column 6: quoted terminals, non-terminals, | and [numbers] are required, found "\'"'),
        ("S -> 'a' ]", "line 1, column 9: quoted terminals"),
        ("S -> '' [1]", "line 1: a terminal of at least one character is required"),
        (
            "\nS -> NP [1]",
            "line 2: productions for every non-terminal are required, found none for 'NP'; add one, or put",
        ),
        ("S 'a'", "line 1: a production is required, found another text"),
        ("root:x:0:0:secret", "line 1: a production is required, found another text"),
        ("%begin S\nS -> 'a'", "line 1: the only directive is %start S, found %begin"),
        ("%start T\nS -> 'a'", "line 1: a start symbol with productions is required, found 'T'"),
        ("S -> S 'a' [1]", "every non-terminal must derive some string"),
        ("S -> '<eos>' [1]", "reserved end of string, found '<eos>'"),
    ],
)
def test_texts_of_nltk_that_are_refused(text, fragment, refused):
    line = refused(text, "g.pcfg")
    assert fragment in line
    assert "secret" not in line


def test_a_yaml_file_may_still_be_called_pcfg(write):
    assert read(write((EXAMPLES / "brackets.yaml").read_text(), "g.pcfg")).nonterminals == ("S",)


# -- PhysicsLM4 -------------------------------------------------------------------------------------------------------


def small_levels():
    return {
        "num_sym": 2, "eos_token": 3, "ptb": None, "add_len_one": False,
        "idx": [[5], [3, 4], [1, 2]],
        "all": [
            [{"id": 5, "name": "R", "children": [[0, 1], [1]]}],
            [{"id": 3, "name": "X", "children": [[0, 0], [1], [0, 1]]}, {"id": 4, "name": "Y", "children": [[1, 0]]}],
            [{"id": 1, "name": "A", "children": None}, {"id": 2, "name": "B", "children": None}],
        ],
    }  # fmt: skip


def test_a_small_file_of_physicslm4_by_hand(write):
    language, _ = file(path=write(json.dumps(small_levels()), "g.json"))
    found = {
        language.vocabulary.decode(x): p for x, p in zip(language.trie.strings, np.exp(language.log_p), strict=True)
    }
    assert found == pytest.approx({"21": 1 / 2, "1121": 1 / 6, "221": 1 / 6, "1221": 1 / 6}, rel=1e-14)


def test_cfg3b_is_the_grammar_of_the_paper():
    """The uses of every symbol, level by level with fractions; the numbers of the paper's file are fixed here."""
    language = read(str(EXAMPLES / "cfg3b.json"))
    assert len(language.rules) == 32
    assert all(rule.p == Fraction(1, 2) for rule in language.rules)
    uses, decisions = [Fraction(1)], Fraction(0)
    for level in json.loads((EXAMPLES / "cfg3b.json").read_text(encoding="utf-8"))["all"][:-1]:
        decisions += sum(uses)
        following = [Fraction(0)] * 3
        for use, symbol in zip(uses, level, strict=True):
            for side in symbol["children"]:
                for at in side:
                    following[at] += use / 2
        uses = following
    assert (float(decisions), float(sum(uses))) == (169.25, 275.625)
    assert language.derivation_entropy() == pytest.approx(169.25 * math.log(2), rel=1e-13)
    assert language.expected_length() == pytest.approx(275.625, rel=1e-13)
    assert language.vocabulary.symbols[1:] == ("1", "2", "3")


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"all": []}, "all: a list of at least two levels of symbols is required"),
        ({"all": [[{"name": "R"}]]}, "at least two levels"),
        ({"all": 3}, "at least two levels of symbols is required, found 3"),
        ({"ptb": "bank"}, "ptb: null or false is required, found 'bank'"),
        ({"add_len_one": True}, "add_len_one: null or false is required, found True"),
    ],
)
def test_files_of_physicslm4_that_are_refused(change, fragment, refused):
    assert fragment in refused(json.dumps(small_levels() | change), "g.json")


@pytest.mark.parametrize(
    ("level", "place", "value", "fragment"),
    [
        (0, "children", [[2]], "all[0]: R: lists of positions from 0 to 1 are required, found ['2']"),
        (0, "children", [[-1]], "all[0]: R: lists of positions from 0 to 1 are required, found ['-1']"),
        (0, "children", [0], "all[0]: R: lists of positions from 0 to 1 are required, found '0'"),
        (1, "children", None, "all[1]: X: children, a list of right-hand sides, is required, found None"),
        (1, "name", None, "all[1][0]: a symbol with a name is required"),
        (1, "name", "R", "different names of all symbols are required, found 'R' twice"),
        (2, "id", None, "all[2][0]: a symbol with a id is required"),
    ],
)
def test_symbols_of_physicslm4_that_are_refused(level, place, value, fragment, refused):
    data = small_levels()
    data["all"][level][0][place] = value
    assert fragment in refused(json.dumps(data), "g.json")


# -- JFLAP ------------------------------------------------------------------------------------------------------------


def jff(states, arcs, kind="fa", before=""):
    """A file of JFLAP. States are (name, marks), and arcs are (from, to, label)."""
    shown = "".join(
        f'<state id="{n}" name="{name}"><x>1.0</x><y>2.0</y>{marks}</state>' for n, (name, marks) in enumerate(states)
    )
    moves = "".join(
        f"<transition><from>{a}</from><to>{b}</to>{f'<read>{label}</read>' if label else '<read/>'}</transition>"
        for a, b, label in arcs
    )
    top = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>'
    return f"{top}{before}<structure><type>{kind}</type><automaton>{shown}{moves}</automaton></structure>"


def test_the_example_of_jflap_by_the_sum_over_its_paths():
    language = read(str(EXAMPLES / "lift.jff"))
    assert isinstance(language, HiddenAutomaton)
    half, quarter, eighth = Fraction(1, 2), Fraction(1, 4), Fraction(1, 8)
    moves = {
        ("below", "up", "above"): half, ("below", "wait", "below"): quarter, ("above", "down", "below"): half,
        ("above", "wait", "above"): eighth, ("above", "wait", "below"): eighth,
    }  # fmt: skip
    for n in range(5):
        for x in itertools.product(("up", "down", "wait"), repeat=n):
            total = sum(
                math.prod([moves.get(arc, Fraction(0)) for arc in zip(path, x, path[1:], strict=False)], start=quarter)
                for path in itertools.product(("below", "above"), repeat=n + 1)
                if path[0] == "below"
            )
            assert math.exp(language.log_prob(language.vocabulary.encode(x))) == pytest.approx(float(total), rel=1e-13)


START, END = "<initial/>", "<final/>"


def test_without_weights_every_choice_is_equally_likely(write):
    arcs = [(0, 1, "a"), (0, 0, "b"), (1, 0, "a:b"), (1, 2, "c"), (2, 2, "c")]
    path = write(jff([("p", START), ("q", END), ("trap", "")], arcs), "g.jff")
    with pytest.warns(UserWarning, match=r"g.jff: no weights, so in every state .* left out, .*: 'trap'"):
        language = read(path)
    assert isinstance(language, Automaton)
    assert language.vocabulary.symbols[1:] == ("a", "b", "a:b")
    np.testing.assert_allclose(language.prob, [[0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5]])


def test_weights_may_be_counts(write):
    states = [("p", START), ("p", END + "<label>4</label>")]
    path = write(jff(states, [(0, 1, "a:3"), (0, 0, "a:1"), (1, 1, "::2")]), "g.jff")
    language = read(path, normalise=True)
    assert language.state_names == ("p (id 0)", "p (id 1)")
    assert language.transitions[1].tolist() == [[0.25, 0.75], [0, 0]]
    assert language.stopping.tolist() == [0, 2 / 3]
    assert language.vocabulary.symbols[1:] == ("a", ":")


LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY lol "lol">'
    + "".join(f'<!ENTITY lol{n} "{f"&lol{n - 1 if n > 1 else str()};" * 10}">' for n in range(1, 10))
    + "]>"
)
ONE = [("p", START + END)]


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (jff(ONE, [(0, 0, "&lol9;")], before=LAUGHS), "XML without a document type is required, found <!DOCTYPE"),
        (
            jff(ONE, [(0, 0, "&x;")], before='<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
            "XML without a document type is required",
        ),
        (jff(ONE, [(0, 0, "&x;")]), "line 1, column "),
        ("<structure>", "XML is required, found a mistake"),
        ("<html>secret</html>", "a finite automaton of JFLAP (structure type fa) is required, found another kind"),
        (
            jff(ONE, [(0, 0, "a")], kind="pda"),
            "a finite automaton of JFLAP (structure type fa) is required, found 'pda'",
        ),
        (jff([("p", END)], [(0, 0, "a")]), "one initial state is required, found 0 of them"),
        (jff([("p", START + END), ("q", START)], [(0, 0, "a")]), "one initial state is required, found 2 of them"),
        (jff([("p", START)], [(0, 0, "a")]), "a final state is required, found none"),
        (jff([("p", START), ("q", END)], [(0, 0, "a:1")]), "from every state a string must be able to end"),
        (jff(ONE, [(0, 0, "")]), "transition 1: a symbol is required, found an empty label (λ); give it a symbol"),
        (jff(ONE, [(0, 0, ":1/2")]), "transition 1: a symbol is required, found an empty label"),
        (
            jff(ONE, [(0, 0, "a:1/2"), (0, 0, "b")]),
            "transition 2: a weight on every transition is required (or on none)",
        ),
        (jff(ONE, [(0, 7, "a")]), "transition 1: to: the id of a state is required, found '7'"),
        (jff(ONE, [(0, 0, "a:3/2")]), "transitions of a final state without a label must sum to at most 1, found 1.5"),
        (
            jff([("p", START + END + "<label>x</label>")], [(0, 0, "a:1/2")]),
            "final.p: a probability is required, found 'x'",
        ),
        (
            jff([("p", START), ("q", END)], [(0, 1, "a:1/2")]),
            "state p: transitions and final: probabilities must sum to 1",
        ),
        ("type fa", "keys with values are required"),
    ],
)
def test_files_of_jflap_that_are_refused(text, fragment, refused):
    line = refused(text, "g.jff")
    assert fragment in line
    assert "secret" not in line
    assert "root:" not in line


def test_a_path_to_the_end_is_needed_without_weights(write):
    path = write(jff([("p", START), ("q", END)], [(0, 0, "a")]), "g.jff")
    with (
        pytest.warns(UserWarning, match="no weights"),
        pytest.raises(SpecificationError, match="a path from the initial to a final state is required"),
    ):
        read(path)


# -- hidden Markov models ---------------------------------------------------------------------------------------------

HMMLEARN = {  # log-probabilities of hmmlearn 0.3.3, CategoricalHMM.score
    "coins": {
        "h": -0.3566749439387323, "t": -1.203972804325936, "ht": -1.698269126140716, "hhhh": -1.1651621912778498,
        "thth": -3.3292188716329516, "hhhhhhhht": -3.7077772424486373, "tttthhhhhhhhhhhhhhhh": -8.64023235566154,
    },
    "three": {
        "0": -0.8096809968158971, "3": -1.3664917338237106, "01": -2.9517153881372167, "1203": -6.2023399113199975,
        "112": -6.099606705727685, "33333": -6.876892715356455, "0123012301230123": -24.801225914712106,
    },
}  # fmt: skip
THREE = """type: hmm
start: [0.2, 0.3, 0.5]
transitions: [[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0, 0.5, 0.5]]
emissions: [[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25], [0.7, 0, 0.1, 0.2]]
"""


def test_blocks_of_hidden_models_against_hmmlearn(write):
    for name, path in (("coins", str(EXAMPLES / "coins.yaml")), ("three", write(THREE, "three.yaml"))):
        language = read(path)
        assert isinstance(language, HiddenChain)
        for x, log_p in HMMLEARN[name].items():
            assert language.log_prefix(language.vocabulary.encode(x)) == pytest.approx(log_p, rel=1e-13)
        listed, notes = file(path=path, length=5)
        assert notes == {"dropped_mass": 0.0}
        block = next(x for x in HMMLEARN[name] if len(x) == 4)
        assert listed.log_prob(listed.vocabulary.encode(block)) == pytest.approx(HMMLEARN[name][block], rel=1e-12)
        assert (listed.trie.lengths == 5).all()


def test_names_of_a_plain_matrix(write):
    language = read(write(THREE, "g.yaml"))
    assert language.state_names == ("s0", "s1", "s2")
    assert language.vocabulary.symbols[1:] == ("0", "1", "2", "3")
    same = read(
        write(json.dumps({"type": "hmm", "start": [1], "transitions": [[1]], "emissions": [[0.5, 0.5]]}), "g.json")
    )
    assert same.vocabulary.symbols[1:] == ("0", "1")


def test_a_hidden_model_that_stops_by_the_sum_over_its_paths():
    language = read(str(EXAMPLES / "weather.yaml"))
    assert isinstance(language, HiddenAutomaton)
    start, moves = [Fraction(3, 5), Fraction(2, 5)], [["7/10", "3/10"], ["2/5", "3/5"]]
    emits, stop = [["1/10", "2/5", "1/2"], ["3/5", "3/10", "1/10"]], [Fraction(2, 5), Fraction(1, 5)]
    for n in range(1, 5):
        for x in itertools.product(range(3), repeat=n):
            total = Fraction(0)
            for path in itertools.product(range(2), repeat=n):
                p = start[path[0]] * stop[path[-1]]
                for s, t in itertools.pairwise(path):
                    p *= (1 - stop[s]) * Fraction(moves[s][t])
                total += p * math.prod(Fraction(emits[s][a]) for s, a in zip(path, x, strict=True))
            assert math.exp(language.log_prob([a + 1 for a in x])) == pytest.approx(float(total), rel=1e-13)
    assert language.log_prob([]) == -math.inf


def test_a_state_that_always_stops_needs_no_transitions(write):
    text = "{type: hmm, start: {x: 1}, transitions: {x: {y: 1}}, emissions: {x: {a: 1}, y: {b: 1}}, stop: {y: 1}}"
    language = read(write(text, "g.yaml"))
    assert isinstance(language, Automaton)  # every symbol shows the state
    assert language.support_size == 1
    assert language.log_prob(language.vocabulary.encode("ab")) == 0.0


def test_counts_of_a_hidden_model(write):
    text = "{type: hmm, normalise: true, start: [3, 1], transitions: [[1, 1], [2, 6]], emissions: [[5, 5], [0, 2]]}"
    language = read(write(text, "g.yaml"))
    assert language.initial.tolist() == [0.75, 0.25]
    assert language.moves.tolist() == [[0.5, 0.5], [0.25, 0.75]]
    assert language.transitions[1].tolist() == [[0.25, 0.25], [0, 0]]


def test_a_machine_without_final_never_stops(write):
    arcs = "{from: A, symbol: a, to: A, p: 1/2}, {from: A, symbol: b, to: B, p: 1/2}, {from: B, symbol: a, to: A, p: 1}"
    chain = read(write(f"{{type: pfsa, states: [A, B], initial: {{A: 1}}, transitions: [{arcs}]}}", "g.yaml"))
    assert isinstance(chain, Chain)
    assert chain.entropy_rate() == pytest.approx(2 / 3 * math.log(2), rel=1e-14)
    hidden = arcs.replace("symbol: b", "symbol: a")
    hidden += ", {from: C, symbol: c, to: C, p: 1}"
    text = f"{{type: pfsa, states: [A, B, C], initial: {{A: 1}}, transitions: [{hidden}]}}"
    with pytest.warns(UserWarning, match="state 'C' cannot be reached"):
        chain = read(write(text, "g.yaml"))
    assert isinstance(chain, HiddenChain)
    assert chain.state_names == ("A", "B")
    assert math.exp(chain.log_prefix([1, 1, 1])) == 1.0
    with pytest.raises(SpecificationError, match="length is required for a chain that never stops"):
        file(path=str(EXAMPLES / "coins.yaml"))


@pytest.mark.parametrize("kind", ["strings", "markov", "pfsa"])
def test_every_type_may_have_counts(kind, write):
    """The numbers of an example times 60, with normalise: true, give the same language."""
    data = load(str(EXAMPLES / f"{kind}.yaml"))

    def counted(value):
        if isinstance(value, dict):
            return {key: counted(item) for key, item in value.items()}
        if isinstance(value, list):
            return [counted(item) for item in value]
        try:
            return str(60 * Fraction(value))
        except ValueError:
            return value

    one, other = (read(write(json.dumps(which), "g.json")) for which in (data, counted(data) | {"normalise": True}))
    assert one.entropy() == other.entropy()
    assert one.vocabulary == other.vocabulary
