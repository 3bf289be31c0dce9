"""Texts without spaces are cut into symbols as an enumeration of all cuts says, and ambiguous ones are refused."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sim.languages.cutting import cut
from sim.languages.events import regular_expression
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError

MOON = Vocabulary(("<eos>", "月亮", "月", "很", "圆", "亮晶晶", "？"), prompt_end=6, joiner="")


def every_cut(text: str, symbols: set[str]) -> list[list[str]]:
    """All ways to write a text as symbols in a row."""
    if not text:
        return [[]]
    begin = [symbol for symbol in symbols if text.startswith(symbol)]
    return [[symbol, *rest] for symbol in begin for rest in every_cut(text[len(symbol) :], symbols)]


@given(st.text("ab", max_size=7), st.sets(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4))
@example("aab", {"a", "aa", "aab"})
@example("aab", {"a", "aa", "ab"})
def test_as_an_enumeration_says(text: str, symbols: set[str]) -> None:
    ways = every_cut(text, symbols)
    if len(ways) == 1:
        assert cut(text, symbols) == ways[0]
        return
    with pytest.raises(SpecificationError) as caught:
        cut(text, symbols)
    assert ("unknown symbol" in str(caught.value)) == (not ways)
    if ways:
        assert "one reading is required" in str(caught.value)
        assert "write spaces between symbols" in str(caught.value)


@pytest.mark.parametrize("text", ["月亮很圆？", "月亮 很 圆 ？", "月亮 很圆？", " 月亮很 圆？ "])
def test_read_with_spaces_or_without(text: str) -> None:
    tokens = MOON.tokens(text, "prompt")
    assert tokens == [1, 3, 4, 6]
    assert MOON.decode(tokens) == "月亮很圆？"


def test_the_longest_symbol_is_not_always_right() -> None:
    assert MOON.tokens("月亮晶晶", "prompt") == [2, 5]


def test_spaces_decide() -> None:
    symbols = Vocabulary(("<eos>", "月亮", "月", "亮", "很"), joiner="")
    with pytest.raises(
        SpecificationError, match=r"prompt '很月亮': .* found '月亮' at position 1, which may be one symb"
    ):
        symbols.tokens("很月亮", "prompt")
    assert symbols.tokens("很 月亮", "prompt") == [4, 1]
    assert symbols.tokens("很 月 亮", "prompt") == [4, 2, 3]
    with pytest.raises(SpecificationError, match=r"position 0 of '很月亮': symbols .* one reading"):
        regular_expression("很月亮", symbols)
    assert accepted(symbols, '很 "月亮"') == accepted(symbols, "很 '月亮'") == [(4, 1)]


def accepted(vocabulary: Vocabulary, pattern: str) -> list[tuple[int, ...]]:
    """The strings of two symbols that match."""
    two = [(a, b) for a in range(1, len(vocabulary)) for b in range(1, len(vocabulary))]
    inside = regular_expression(pattern, vocabulary).accepts(np.array([[*x, 0] for x in two]))
    return [x for x, there in zip(two, inside, strict=True) if there]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("月亮很园", "prompt '月亮很园': unknown symbol '园'; symbols of the language are required"),
        ("月亮很圆?", r"unknown symbol '\?' \(did you mean '？'\?\)"),
        ("亮晶很", r"unknown symbol '亮晶很' \(did you mean '亮晶晶'\?\)"),
        ("月亮<eos>", "a string without its end is required"),
        ("很" * 3 + "园" * 30, "unknown symbol '" + "园" * 11 + "…'"),
    ],
)
def test_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        MOON.tokens(text, "prompt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "same"),
    [
        ("月亮很圆", "月亮 很 圆"),
        (".*很[月亮圆]？", ".* 很 [月亮 圆] ？"),
        ("月亮很*圆", "月亮 (很)* 圆"),
        ("(月亮|月)很{2}", "(月亮 | 月) 很 很"),
        ("[^月亮 很]+", "( [^很 月亮] )+"),
    ],
)
def test_patterns_are_read_with_spaces_or_without(pattern: str, same: str) -> None:
    one, other = regular_expression(pattern, MOON), regular_expression(same, MOON)
    np.testing.assert_array_equal(one.next_state, other.next_state)
    np.testing.assert_array_equal(one.accept, other.accept)


def test_single_characters_are_read_as_before() -> None:
    letters = Vocabulary(("<eos>", "a", " ", "b"), joiner="")
    assert letters.tokens("a b", "prompt") == [1, 2, 3]
    assert not letters.spaced
    with_space = Vocabulary(("<eos>", "a b", "a", " "), joiner="")
    assert with_space.tokens("a a b", "prompt") == [2, 3, 1], "a space is a symbol here"
    assert accepted(with_space, "a ") == [(2, 3)]
