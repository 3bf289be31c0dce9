"""Grammar files that must be refused, each with one line: the file, the place, the value found, the fix."""

from pathlib import Path

import pytest

from sim.grammars.file import file, read
from sim.numerics import SpecificationError, visible

MARKOV = (
    "type: markov\nalphabet: [a, b]\neos: <eos>\ninitial: {a: 1}\ntransitions: {a: {a: 1/2, b: 1/2}, b: {<eos>: 1}}\n"
)
PFSA = (
    "type: pfsa\nstates: [A, B]\ninitial: {A: 1}\n"
    "transitions:\n- {from: A, symbol: a, to: B, p: 3/5}\nfinal: {A: 2/5, B: 1}\n"
)
HMM = (
    "type: hmm\nstates: [x, y]\nalphabet: [a, b]\nstart: [1, 0]\ntransitions: [[1/2, 1/2], {x: 1}]\n"
    "emissions: {x: {a: 1}, y: [0, 1]}\n"
)
PCFG = 'type: pcfg\nstart: S\nrules: [{lhs: S, rhs: ["(", S, ")", S], p: 3/10}, {lhs: S, rhs: [], p: 7/10}]\n'
STRINGS = "type: strings\nstrings: {ab: 1/2, b: 1/2}\n"


def changed(text, old, new):
    assert old in text
    return text.replace(old, new)


TABLE = {
    # the file as text
    "empty": ("", "a grammar is required, found an empty file"),
    "only a comment": ("# nothing\n", "an empty file"),
    "not a mapping": ("- a\n- b\n", "keys with values are required"),
    "not YAML": ("type: {a\n", "line 2, column 1: one YAML document is required"),
    "a tab": ("type:\n\tstrings\n", "one YAML document is required"),
    "two documents": (STRINGS + "---\n" + STRINGS, "line 3, column 1: one YAML document"),
    "nested without end": ("[" * 200000, "nested a few deep are required"),
    "nested deeply": ("[" * 200000 + "]" * 200000, "nested a few deep are required"),
    "a list inside itself": ("type: &a [*a]", "one YAML document is required"),
    "a list as key": ("? [a]\n: 1\n", "a key that is not plain text"),
    "a key twice": (
        STRINGS + "type: strings\n",
        "line 3, column 1: plain keys, each once, are required, found key 'type' a second time",
    ),
    "a string twice": ("type: strings\nstrings: {a: 1/2, b: 1/4, a: 1/4}", "found key 'a' a second time"),
    # the type
    "no type": ("strings: {a: 1}", "found no type"),
    "type misspelt": ("type: string\n", "found 'string'; correct it (did you mean 'strings'?)"),
    "type cfg": (
        "type: cfg\n",
        "strings, markov, pfsa, hmm, pcfg is required, found 'cfg'; correct it (did you mean",
    ),
    "type a list": ("type: [a]\n", "one of strings, markov, pfsa, hmm, pcfg is required"),
    # keys
    "unknown key": (STRINGS + "separater: ','\n", "unknown key 'separater'; remove it (did you mean 'separator'?)"),
    "alphabet of strings": (
        STRINGS + "alphabet: [a]\n",
        "strings: a symbol of the alphabet is required, found 'b'; add it to alphabet",
    ),
    "normalise neither true nor false": (STRINGS + "normalise: 1\n", "normalise: true or false is required, found '1'"),
    "weights that are all 0": (
        "type: strings\nnormalise: true\nstrings: {a: 0, b: 0}",
        "strings: weights with a positive sum are required, found 0",
    ),
    "a negative weight": (
        "type: strings\nnormalise: true\nstrings: {a: 2, b: -1}",
        "strings.b: a weight of at least 0 is required, found -1",
    ),
    "counts without normalise": (
        "type: strings\nstrings: {a: 2, b: 1}",
        "found 2; correct it, or write normalise: true if the numbers are weights or counts",
    ),
    "shares that do not sum": (
        "type: strings\nstrings: {a: 1/2, b: 1/3}",
        "found 0.833333333333 (= 5/6); correct the numbers, or write normalise: true",
    ),
    "missing strings": ("type: strings\n", "the key 'strings' is required"),
    "missing final": (
        changed(PFSA, "final: {A: 2/5, B: 1}\n", ""),
        "state A: transitions (it has no final, so it never stops): probabilities must sum to 1 within 1e-9, found 0.6",
    ),
    "key in an arc": (
        changed(PFSA, "to: B", "to: B, probability: 1"),
        "transitions[0]: the keys are from, symbol, to, p",
    ),
    "eos a list": (STRINGS + "eos: [a]\n", "eos: a non-empty text is required"),
    "eos empty": (STRINGS + "eos: ''\n", "eos: a non-empty text is required"),
    "separator a list": (STRINGS + "separator: [a]\n", "separator: a text is required"),
    "name a list": (STRINGS + "name: [a]\n", "name: a text is required"),
    # probabilities
    "sum above 1": (
        "type: strings\nstrings: {a: 1, b: 1/10}",
        "strings: probabilities must sum to 1 within 1e-9, found 1.1 (= 11/10)",
    ),
    "sum below 1": ("type: strings\nstrings: {a: 0.9}", "found 0.9 (= 9/10); correct the numbers"),
    "sum off by 1e-8": (
        "type: strings\nstrings: {a: 0.5, b: 0.50000001}",
        "must sum to 1 within 1e-9, found 1.00000001",
    ),
    "all zero": ("type: strings\nstrings: {a: 0}", "found 0; correct the numbers"),
    "row of a chain": (
        changed(MARKOV, "b: 1/2}", "b: 3/5}"),
        "transitions.a: probabilities must sum to 1 within 1e-9, found 1.1 (= 11/10)",
    ),
    "initial of a chain": (
        changed(MARKOV, "initial: {a: 1}", "initial: {a: 1/2}"),
        "initial: probabilities must sum to 1",
    ),
    "row of a machine": (
        changed(PFSA, "p: 3/5", "p: 0.7"),
        "state A: transitions and final: probabilities must sum to 1 within 1e-9, found 1.1",
    ),
    "negative": (
        "type: strings\nstrings: {a: 3/2, b: -1/2}",
        "strings.a: a probability from 0 to 1 is required, found 3/2",
    ),
    "below 0": (
        "type: strings\nstrings: {b: -0.5, a: 1.5}",
        "strings.b: a probability from 0 to 1 is required, found -0.5",
    ),
    "nan": ("type: strings\nstrings: {a: .nan}", "strings.a: a probability is required, found '.nan'"),
    "infinite": ("type: strings\nstrings: {a: inf}", "found 'inf'"),
    "a word": ("type: strings\nstrings: {a: half}", "found 'half'; write a number such as 0.25 or 1/3"),
    "nothing": ("type: strings\nstrings:\n  a:\n", "strings.a: a probability is required, found ''"),
    "no space": ("type: strings\nstrings: {a:1}", "in YAML with a space after the colon"),
    "over 0": ("type: strings\nstrings: {a: 1/0}", "its denominator is 0"),
    "huge exponent": ("type: strings\nstrings: {a: 1e-999999999}", "a probability is required"),
    "long number": ("type: strings\nstrings: {a: 0." + "1" * 5000 + "}", "a probability is required"),
    "a list for a number": ("type: strings\nstrings: {a: [1]}", "strings.a: a probability is required, found ['1']"),
    # strings
    "no strings": ("type: strings\nstrings: {}", "a mapping with at least one entry is required"),
    "strings in a list": ("type: strings\nstrings: [a, b]", "strings: a mapping with at least one entry"),
    "end of string in a string": (
        "type: strings\nstrings: {a<eos>: 1}",
        "strings.a<eos>: no string may hold the reserved end of string",
    ),
    "end of string as a word": (
        "type: strings\nseparator: ' '\nstrings: {a <eos>: 1}",
        "no symbol may be named like the reserved end of string, found '<eos>'",
    ),
    "end of string as a character": (
        "type: strings\neos: '#'\nstrings: {'a#': 1}",
        "reserved end of string, found '#'",
    ),
    "two separators": (
        "type: strings\nseparator: ' '\nstrings: {a  b: 1}",
        "one separator ' ' between symbols is required",
    ),
    # chains
    "chain that stops without eos": (
        changed(MARKOV, "eos: <eos>\n", ""),
        "found '<eos>'; write eos: to name the end of a string",
    ),
    "endless chain with two stationary laws": (
        "type: markov\nalphabet: [a, b]\ntransitions: {a: {a: 1}, b: {b: 1}}\n",
        "a chain without initial needs one stationary law, found 2 of them; add initial:",
    ),
    "endless chain with a missing row": (
        "type: markov\nalphabet: [a, b]\ntransitions: {a: {b: 1}}\n",
        "a row for every context that can occur is required, found none for 'b'",
    ),
    "chain of order 0": (MARKOV + "order: 0\n", "order: an integer from 1 to 20, the number of symbols"),
    "chain of order a": (MARKOV + "order: a\n", "is required, found 'a'"),
    "chain of order 2 without its contexts": (
        MARKOV + "order: 2\n",
        "a row for every context that can occur is required, found none for 'a a'; add a a: {<eos>: 1}",
    ),
    "chain with longer contexts": (
        changed(MARKOV, "transitions: {", "transitions: {a b: {a: 1}, "),
        "rows for at most 1 symbol are required (order 1), found one for 'a b'; write order: 2",
    ),
    "chain with a row for the end": (
        changed(MARKOV, "transitions: {", "transitions: {<eos>: {a: 1}, "),
        "remove it: nothing follows the end",
    ),
    "chain with an unknown row": (
        changed(MARKOV, "transitions: {", "transitions: {c: {a: 1}, "),
        "transitions.c: a symbol of the alphabet is required, found 'c'",
    ),
    "chain with an unknown symbol": (
        changed(MARKOV, "{<eos>: 1}", "{<eso>: 1}"),
        "transitions.b.<eso>: a symbol of the alphabet or eos is required, found '<eso>'; correct it (did you",
    ),
    "chain with a missing row": (
        changed(MARKOV, ", b: {<eos>: 1}", ""),
        "a row for every context that can occur is required, found none for 'b'",
    ),
    "chain that never ends": (
        changed(MARKOV, "{<eos>: 1}", "{b: 1}"),
        "found no end after symbol 'the start', 'a', 'b'",
    ),
    "chain with eos in the alphabet": (
        changed(MARKOV, "[a, b]", "[a, b, <eos>]"),
        "alphabet: no symbol may be named like the reserved end of string",
    ),
    "alphabet with a symbol twice": (
        changed(MARKOV, "[a, b]", "[a, b, a]"),
        "alphabet: each entry once is required, found 'a' twice",
    ),
    "alphabet with an empty symbol": (
        changed(MARKOV, "[a, b]", "[a, b, '']"),
        "alphabet: non-empty texts are required",
    ),
    "alphabet with a list": (changed(MARKOV, "[a, b]", "[a, b, [c]]"), "alphabet: non-empty texts are required"),
    "alphabet as text": (
        changed(MARKOV, "[a, b]", "ab"),
        "alphabet: a list with at least one entry is required, found ab",
    ),
    "row as text": (
        changed(MARKOV, "b: {<eos>: 1}", "b: 1"),
        "transitions.b: a mapping with at least one entry is required",
    ),
    "separator in a symbol": (MARKOV + "separator: a\n", "no symbol may hold the separator 'a', found 'a'"),
    # machines
    "no end, not deterministic": (
        changed(changed(PFSA, "p: 3/5}", "p: 2/5}\n- {from: A, symbol: a, to: A, p: 1/5}"), "B: 1}", "B: 0}").replace(
            "final", "- {from: B, symbol: a, to: B, p: 1}\nfinal"
        ),
        "from every state a string must be able to end, found no end after state 'B'",
    ),
    "unknown start": (
        changed(PFSA, "initial: {A: 1}", "initial: {C: 1}"),
        "initial.C: one of the states is required, found 'C'",
    ),
    "unknown source": (
        changed(PFSA, "from: A", "from: AB"),
        "transitions[0].from: one of the states is required, found 'AB'; correct it (did you mean",
    ),
    "unknown target": (changed(PFSA, "to: B", "to: X"), "transitions[0].to: one of the states is required, found 'X'"),
    "unknown final": (changed(PFSA, "B: 1}", "C: 1}"), "final.C: one of the states is required"),
    "unknown symbol": (
        PFSA + "alphabet: [b]\n",
        "transitions[0].symbol: a symbol of the alphabet is required, found 'a'",
    ),
    "empty symbol": (changed(PFSA, "symbol: a", "symbol: ''"), "transitions[0].symbol: a non-empty text is required"),
    "end of string as a symbol": (
        changed(PFSA, "symbol: a", "symbol: <eos>"),
        "transitions: no symbol may be named like the reserved end of string",
    ),
    "unproductive state": (
        changed(changed(PFSA, "B: 1}", "B: 0}"), "final", "- {from: B, symbol: a, to: B, p: 1}\nfinal"),
        "from every state a string must be able to end, found no end after state 'B'",
    ),
    "dead end": (
        changed(PFSA, ", B: 1}", "}"),
        "state B: transitions and final: probabilities must sum to 1 within 1e-9, found 0",
    ),
    "arcs in a mapping": (
        "type: pfsa\nstates: [A]\ninitial: {A: 1}\ntransitions: {A: a}\nfinal: {A: 1}",
        "a list with at least one transition is required",
    ),
    "an arc as text": (
        "type: pfsa\nstates: [A]\ninitial: {A: 1}\ntransitions: [A]\nfinal: {A: 1}",
        "transitions[0]: a mapping with at least one entry is required",
    ),
    # hidden Markov models
    "hmm without emissions": (
        changed(HMM, "emissions: {x: {a: 1}, y: [0, 1]}\n", ""),
        "the key 'emissions' is required",
    ),
    "a short start": (changed(HMM, "start: [1, 0]", "start: [1]"), "start: 2 numbers are required, found 1 of them"),
    "start above 1": (changed(HMM, "start: [1, 0]", "start: [1, 1]"), "start: probabilities must sum to 1 within 1e-9"),
    "start as text": (changed(HMM, "start: [1, 0]", "start: x"), "start: a list or a mapping of numbers is required"),
    "too few rows": (
        changed(HMM, "[[1/2, 1/2], {x: 1}]", "[[1/2, 1/2]]"),
        "transitions: a row for each of the 2 states is required, found 1 of them",
    ),
    "a long row": (
        changed(HMM, "[1/2, 1/2]", "[1/2, 1/2, 0]"),
        "transitions.x: 2 numbers are required, found 3 of them",
    ),
    "a row off 1": (changed(HMM, "[1/2, 1/2]", "[1/2, 1/3]"), "transitions.x: probabilities must sum to 1"),
    "an unknown state": (changed(HMM, "{x: 1}]", "{z: 1}]"), "transitions.y.z: one of the states is required"),
    "an unknown symbol": (
        changed(HMM, "{x: {a: 1}, y", "{x: {c: 1}, y"),
        "emissions.x.c: a symbol of the alphabet is required, found 'c'",
    ),
    "a state that emits nothing": (
        changed(HMM, "{x: {a: 1}, y: [0, 1]}", "{x: {a: 1}}"),
        "emissions: a row for every state is required, found none for 'y'; add it",
    ),
    "a stop above 1": (HMM + "stop: {x: 2}\n", "stop.x: a probability from 0 to 1 is required, found 2"),
    "a stop of another state": (HMM + "stop: {z: 1}\n", "stop.z: one of the states is required, found 'z'"),
    "stops that are all 0": (HMM + "stop: {x: 0}\n", "from every state a string must be able to end"),
    "a number in words": (changed(HMM, "[1/2, 1/2]", "[half, 1/2]"), "transitions.x.x: a probability is required"),
    "an alphabet with the end": (changed(HMM, "[a, b]", "[a, <eos>]"), "reserved end of string, found '<eos>'"),
    "a key of a pfsa": (HMM + "final: {x: 1}\n", "unknown key 'final'"),
    # grammars
    "no rules": ("type: pcfg\nstart: S\nrules: []\n", "rules: a list with at least one rule is required"),
    "rules in a mapping": ("type: pcfg\nstart: S\nrules: {S: a}\n", "a list with at least one rule is required"),
    "a rule as text": ("type: pcfg\nstart: S\nrules: [S]\n", "rules[0]: a mapping with at least one entry is required"),
    "a rule without p": (changed(PCFG, ", p: 7/10", ""), "rules[1]: the key 'p' is required"),
    "key in a rule": (changed(PCFG, "p: 7/10", "prob: 7/10"), "unknown key 'prob'; remove it"),
    "rhs as text": (changed(PCFG, "rhs: []", "rhs: a"), "rules[1].rhs: a list of non-empty texts is required, found a"),
    "rhs with a list": (changed(PCFG, "rhs: []", "rhs: [[a]]"), "rules[1].rhs: a list of non-empty texts"),
    "lhs empty": (changed(PCFG, "lhs: S, rhs: []", "lhs: '', rhs: []"), "rules[1].lhs: a non-empty text is required"),
    "unknown start symbol": (changed(PCFG, "start: S", "start: T"), "start: one of the non-terminals is required"),
    "rules off 1": (changed(PCFG, "7/10", "8/10"), "rules of S: probabilities must sum to 1 within 1e-9, found 1.1"),
    "rules below 0": (changed(PCFG, "7/10", "-7/10"), "rules[1].p: a probability from 0 to 1 is required"),
    "non-terminal without rules": (
        PCFG + "nonterminals: [S, T]\n",
        "a rule for every non-terminal is required, found none for 'T'",
    ),
    "non-terminal not listed": (
        PCFG + "nonterminals: [T]\n",
        "rules: a non-terminal on the left-hand side is required, found 'S'; add it to nonterminals",
    ),
    "terminal not listed": (
        PCFG + "terminals: ['(']\n",
        "rules: a terminal or a non-terminal is required, found ')'; add it to terminals",
    ),
    "terminal with rules": (PCFG + "terminals: ['(', ')', S]\n", "no terminal may have rules of its own, found 'S'"),
    "terminal named like the end": (
        changed(PCFG, '["(", S, ")", S]', '["<eos>", S, ")", S]'),
        "no symbol may be named like the reserved end of string, found '<eos>'",
    ),
    "unproductive non-terminal": (
        changed(PCFG, "rhs: []", "rhs: [T]").replace("p: 7/10}", "p: 7/10}, {lhs: T, rhs: [T, a], p: 1}"),
        "every non-terminal must derive some string, found none for 'S', 'T'",
    ),
    "inconsistent": (
        changed(changed(PCFG, "3/10", "7/10"), "rhs: [], p: 7/10", "rhs: [], p: 3/10"),
        "derivations must end with probability 1 (a consistent grammar, spectral radius at most 1), "
        "found a total mass of 0.428571428571; lower",
    ),
    "states twice": (changed(PFSA, "[A, B]", "[A, B, B]"), "states: each entry once is required"),
}


def refusal(path):
    with pytest.raises(SpecificationError) as raised:
        read(str(path))
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(visible(str(path)))
    assert "found" in message
    return message


@pytest.mark.parametrize("case", TABLE)
def test_files_that_are_refused(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, fragment = TABLE[case]
    Path("g.yaml").write_text(text, encoding="utf-8")
    assert fragment in refusal("g.yaml")


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "an empty file"),
        ("{", "line 1, column 2: JSON is required"),
        ('{"type": "strings", "type": "pfsa"}', "found key 'type' a second time"),
        ('{"type": "strings", "strings": {"a": NaN}}', "a probability is required, found 'NaN'"),
        ('{"type": "strings", "strings": {"a": true}}', "a probability is required, found True"),
        ('{"type": "markov", "alphabet": [null], "eos": "e", "initial": {}, "transitions": {}}', "non-empty texts"),
        ('{"type": 1}', "found '1'"),
        ("[]", "keys with values are required"),
        ("[" * 20000, "nested a few deep"),
    ],
)
def test_json_that_is_refused(text, fragment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("g.json").write_text(text, encoding="utf-8")
    assert fragment in refusal("g.json")


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("toy.yaml").write_bytes(b"type: \xff")
    Path("folder").mkdir()
    assert "no such file; paths are relative to the current directory (did you mean 'toy.yaml'?)" in refusal("toi.yaml")
    assert "no such file" in refusal("nowhere/toy.yaml")
    assert "UTF-8 text is required, found byte 6 that is not" in refusal("toy.yaml")
    assert "a plain file is required, found a folder" in refusal("folder")
    assert "a character that no file name can hold" in refusal("a\0b")


def test_the_empty_string_alone_is_no_world_to_train_on(tmp_path):
    (tmp_path / "g.yaml").write_text("type: strings\nstrings: {'': 1}\n")
    with pytest.raises(SpecificationError, match="at least one symbol is required for a run, found only the empty"):
        file(path=str(tmp_path / "g.yaml"))
