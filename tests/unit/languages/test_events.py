"""Regular events against Python's `re`, and the mistakes a pattern can hold."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.languages.events import Dfa, regular_expression
from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from sim.restrictions.regular import regular
from tests.unit.languages.small_languages import intersection

LETTERS = Vocabulary(("<eos>", "a", "b", "c"), joiner="")
TEXTS = ["".join(x) for n in range(6) for x in itertools.product("abc", repeat=n)]
STRINGS = np.array([[LETTERS.index(c) for c in x] + [0] * (6 - len(x)) for x in TEXTS], np.int32)


def times(left, right):
    return frozenset(x + y for x in left for y in right if len(x) + len(y) <= 5)


def power(texts, counts):
    """Texts of up to 5 characters that are `counts` (0 and more, 1 and more, 0 or 1) texts in a row."""
    found = frozenset([""])
    for _ in range(1 if counts == "?" else 5):
        found |= times(found, texts)
    return times(texts, found) if counts == "+" else found


# a pattern, and what it matches by the definition of its operators
patterns = st.recursive(
    st.sampled_from(
        [
            (p, frozenset(x for x in ("", "a", "b", "c") if re.fullmatch(p, x)))
            for p in "a b c . [ab] [^a] [^bc] ()".split()
        ]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: (two[0][0] + two[1][0], times(two[0][1], two[1][1]))),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}|{two[1][0]})", two[0][1] | two[1][1])),
        st.tuples(inner, st.sampled_from("*+?")).map(lambda one: (f"({one[0][0]}){one[1]}", power(one[0][1], one[1]))),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(patterns)
def test_patterns_match_what_their_operators_say(pattern):
    accepted = regular_expression(pattern[0], LETTERS).accepts(STRINGS)
    assert {text for text, inside in zip(TEXTS, accepted, strict=True) if inside} == pattern[1]


@settings(max_examples=100, deadline=None)
@given(patterns.filter(lambda pattern: sum(map(pattern[0].count, "*+?")) <= 2))  # `re` is exponential in nested ones
def test_patterns_match_what_python_matches(pattern):
    accepted = regular_expression(pattern[0], LETTERS).accepts(STRINGS)
    assert accepted.tolist() == [re.fullmatch(pattern[0], text) is not None for text in TEXTS]


@pytest.mark.parametrize(
    "pattern",
    [
        "a{2}", "a{0}", "a{0}b", "a{2,}", "a{0,}", "a{1,3}", "a{0,2}b", "a{2,2}", "(ab){2}", "(a|b){1,3}", "(a?){2}",
        "(a?b?){2,3}c", "(a*b){0,2}", "(a{2}){1,2}", "(a{2,}b){2}", "(a{1,2}){2,}", "(a|){3}", "[ab]{2}c{1,2}",
        ".{3}", "((a|bc){0,2}c){2}", "(){4}a", "a{02}", "(a{0,2}|b){0,2}b{1,}",
    ],
)  # fmt: skip
def test_counted_repetitions_match_what_python_matches(pattern):
    accepted = regular_expression(pattern, LETTERS).accepts(STRINGS)
    assert accepted.tolist() == [re.fullmatch(pattern, text) is not None for text in TEXTS]


def test_the_same_count_written_out_has_the_same_automaton():
    for counted, written in (("(a|b){2,4}", "(a|b)(a|b)((a|b)(a|b)?)?"), ("b{3,}", "bbb+"), ("(ab?){2}", "ab?ab?")):
        one, other = (regular_expression(pattern, LETTERS) for pattern in (counted, written))
        assert (one.next_state == other.next_state).all()
        assert (one.accept == other.accept).all()


def test_a_brace_without_numbers_is_an_ordinary_character():
    brackets = Vocabulary(("<eos>", "{", "}", "a"), joiner="")
    event = regular_expression("{a{2}}|a{}", brackets)
    found = [event.accepts(np.array([[*brackets.encode(text).tolist(), 0]]))[0] for text in ("{aa}", "a{}", "{a}")]
    assert found == [True, True, False]


@settings(max_examples=100, deadline=None)
@given(patterns, patterns)
def test_the_algebra_of_events(left, right):
    a, b = (regular_expression(pattern, LETTERS) for pattern in (left[0], right[0]))
    both = intersection(a, b)
    assert (both.accepts(STRINGS) == (a.accepts(STRINGS) & b.accepts(STRINGS))).all()
    assert (both.minimal().accepts(STRINGS) == both.accepts(STRINGS)).all()
    assert (a.complement().accepts(STRINGS) != a.accepts(STRINGS)).all()
    either = regular_expression(f"{left[0]}|{right[0]}", LETTERS)
    union = intersection(a.complement(), b.complement()).complement().minimal()
    assert len(union.accept) == len(either.accept)  # equal events have equal minimal automata


@pytest.mark.parametrize(
    ("pattern", "states"),
    [(".*", 1), ("a*", 2), ("(a|b)*a(a|b)(a|b)", 9), ("", 2), ("(.*a.*)?|[bc]*", 1), ("a|a", 3)],
)
def test_automata_are_minimal(pattern, states):
    assert len(regular_expression(pattern, LETTERS).accept) == states


WORDS = Vocabulary(("<eos>", "tea", "please", "don't", "Mr.", "?", "a|b", "x y", '"', "=>"))


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        (".* please", ["tea please", "please"], ["tea", ""]),
        ("tea+ please?", ["tea", "tea tea please"], ["please"]),
        ("(tea|please)*", ["", "tea please tea"], ["don't"]),
        ("tea|please", ["tea", "please"], ["tea please"]),
        ("don't", ["don't"], ["tea"]),
        (r"Mr\. tea \?", ["Mr. tea ?"], ["Mr. tea"]),
        ("'Mr.' \"?\"", ["Mr. ?"], ["?"]),
        ("[Mr. ? tea]", ["Mr.", "?", "tea"], ["please"]),
        ("[^ tea ?]", ["please", "=>"], ["tea", "?"]),
        (r"a\|b 'x y' \"", ['a|b x y "'], ["tea"]),
        ("'a|b'*", ["", "a|b a|b"], ["tea"]),
        ("tea => .", ["tea => please"], ["tea please"]),
        ("  ", [""], ["tea"]),
        ("tea{2} 'x y'{0,1}", ["tea tea", "tea tea x y"], ["tea", "tea tea tea"]),
        ("[tea ?] {2,}", ["tea ?", "? ? ?"], ["tea"]),
    ],
)
def test_patterns_over_words(pattern, inside, outside):
    event = regular_expression(pattern, WORDS)

    def encode(text):
        words = re.findall(r"x y|\S+", text)
        return np.array([[*WORDS.encode(words).tolist(), *[0] * (8 - len(words))]], np.int32)

    assert all(event.accepts(encode(text))[0] for text in inside)
    assert not any(event.accepts(encode(text))[0] for text in outside)


@pytest.mark.parametrize(
    ("pattern", "vocabulary", "message"),
    [
        ("tea pleese", WORDS, r"position 4 of 'tea pleese': a symbol .* found 'pleese' \(did you mean 'please'"),
        ("tea <eos>", WORDS, "position 4 .* found the end-of-string name '<eos>'; leave it out"),
        ("abd", LETTERS, "position 2 .* found 'd'"),
        ("a{x}", LETTERS, r"position 1 .* found '\{'; a repetition is written \{2\}, \{2,\} or \{2,5\}"),
        ("a{,2}", LETTERS, r"position 1 .* found '\{'; a repetition is written"),
        ("{2}", LETTERS, r"position 0 .* something to repeat is required before '\{2\}'"),
        ("a{3,2}", LETTERS, r"position 1 .* m at most n is required, found \{3,2\}; exchange the two"),
        ("a{2}{3}", LETTERS, r"position 4 .* found \{2\}\{3\}; write parentheses, as in \(a\{2\}\)\{3\}"),
        ("a{2}*", LETTERS, r"position 4 .* one repetition at a time"),
        ("a{99999999999999999999}", LETTERS, "position 1 .* repetitions of at most 2000 are allowed"),
        ("(a{100}){100}", LETTERS, "at most 2000 parts, with every repetition written out, is required"),
        ("((((){1000}){1000}){1000}){1000}", LETTERS, "at most 2000 parts"),
        ("[ab]*a.{15}", LETTERS, "at most 20000 states are allowed"),
        ("(a", LETTERS, r"position 0 .* '\(' needs a closing '\)'"),
        ("a)", LETTERS, r"position 1 .* '\)' needs a '\(' before it"),
        ("[ab", LETTERS, r"position 0 .* '\[' needs a closing"),
        ("a]", LETTERS, r"position 1 .* '\]' needs"),
        ("[]", LETTERS, "position 0 .* at least one symbol"),
        ("[^]", LETTERS, "position 0 .* at least one symbol"),
        ("*a", LETTERS, r"position 0 .* something to repeat is required before '\*'"),
        ("a|+", LETTERS, r"position 2 .* before '\+'"),
        ("a*?", LETTERS, r"position 2 .* found \*\?; write parentheses, as in \(a\*\)\?"),
        ("a\\", LETTERS, "position 1 .* a backslash needs"),
        ("'ab", LETTERS, "position 0 .* a quoted symbol needs a closing '"),
        ("(" * 200 + "a" + ")" * 200, LETTERS, "at most 30 parentheses"),
        ("(a|b)*a" + "(a|b)" * 16, LETTERS, "at most 20000 states are allowed"),
    ],
)  # fmt: skip
def test_patterns_that_are_refused(pattern, vocabulary, message):
    with pytest.raises(SpecificationError, match=message) as refusal:
        regular_expression(pattern, vocabulary, "restriction.pattern")
    assert str(refusal.value).startswith("restriction.pattern: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("table", "accept", "start", "message"),
    [
        (np.zeros((2, 3), int), np.ones(1, bool), 0, "are required, found"),
        (np.zeros((1, 3), int), np.ones(1, bool), 1, "a start state below Q"),
        (np.full((1, 3), 2), np.ones(1, bool), 0, "every next state must lie in 0..0"),
    ],
)
def test_automata_that_are_refused(table, accept, start, message):
    with pytest.raises(SpecificationError, match=message):
        Dfa(table, accept, start)


QUESTIONS = Vocabulary(("<eos>", "q", "r", "=>", "x", "y"), prompt_end=3)
DOCUMENTS = FiniteLanguage.from_strings(
    QUESTIONS,
    np.array([[1, 3, 4, 0, 0], [1, 3, 5, 4, 0], [2, 3, 5, 0, 0], [2, 3, 4, 0, 0]], np.int32),
    np.log([0.1, 0.3, 0.4, 0.2]),
)


def test_the_restriction_is_exact():
    kept = regular(DOCUMENTS, pattern=".* x")
    assert kept.log_mass == pytest.approx(np.log(0.6), abs=1e-15)
    assert kept.s.support_size == 3
    assert kept.s is kept.kept
    assert kept.s.log_prob([1, 3, 5, 4]) == pytest.approx(np.log(0.5), abs=1e-15)
    assert regular(DOCUMENTS, pattern="q .*").event.sum() == 2
    assert regular(DOCUMENTS, pattern="x", of="answer").event.sum() == 2
    faithful = regular(DOCUMENTS, pattern=".* x", keep_prompts=True)
    np.testing.assert_allclose(faithful.s.prompts.log_p, DOCUMENTS.prompts.log_p, atol=1e-15)


def test_a_listed_automaton_is_the_pattern_it_writes_out():
    listed = {"start": 0, "accept": ["end"], "transitions": {0: {"x": "end", "y": 0}, "end": {}}}
    by_table = regular(DOCUMENTS, dfa=listed, of="answer")
    by_pattern = regular(DOCUMENTS, pattern="y* x", of="answer")
    assert (by_table.event == by_pattern.event).all()
    assert by_table.log_mass == by_pattern.log_mass


DFA = {"start": "s", "accept": ["s"], "transitions": {"s": {"x": "s"}}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one of pattern and dfa is required, found neither"),
        ({"pattern": ".*", "dfa": DFA}, "found both"),
        ({"pattern": "x x"}, r"restriction: pattern 'x x': P\(A\) must be positive, found 0"),
        ({"pattern": "q .*", "keep_prompts": True}, "for every prompt"),
        ({"pattern": "z"}, "restriction.pattern: position 0"),
        ({"dfa": DFA | {"stat": 1}}, r"found 'stat' \(did you mean 'start'"),
        ({"dfa": {"start": "s"}}, "found no 'accept'"),
        ({"dfa": DFA | {"start": "t"}}, "restriction.dfa.start: a state .* found 't'"),
        ({"dfa": DFA | {"accept": "s"}}, r"a list of states is required, found 's'"),
        ({"dfa": DFA | {"accept": ["s", "q"]}}, "restriction.dfa.accept: a state"),
        (
            {"dfa": DFA | {"transitions": {"s": {"w": "s"}}}},
            "transitions.s: a symbol of the language is required, found 'w'",
        ),
        ({"dfa": DFA | {"transitions": {"s": {"x": "t"}}}}, "transitions.s.x: a state"),
        ({"dfa": DFA | {"transitions": ["s"]}}, "a mapping"),
    ],
)
def test_restrictions_that_are_refused(arguments, message):
    with pytest.raises(SpecificationError, match=message) as refusal:
        regular(DOCUMENTS, **arguments)
    assert "\n" not in str(refusal.value)
