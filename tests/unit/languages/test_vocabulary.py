"""Symbols and documents as written, and the prompt of a document."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError

WORDS = Vocabulary(("<eos>", "tea", "please", "?"), prompt_end=3)


@given(st.lists(st.sampled_from(WORDS.symbols[1:])))
def test_written_and_read_back(words: list[str]) -> None:
    tokens = WORDS.encode(words)
    assert tokens.dtype == np.int32
    assert WORDS.decode(tokens) == " ".join(words)
    assert WORDS.decode([*tokens.tolist(), 0, 1, 0]) == " ".join(words), "nothing after EOS is written"


def test_symbols_and_tokens() -> None:
    assert len(WORDS) == 4
    assert [WORDS.index(symbol) for symbol in WORDS.symbols] == [0, 1, 2, 3]
    assert Vocabulary(("$", "a", "b"), joiner="").decode([2, 1, 0, 0]) == "ba"


def test_an_unknown_symbol_gets_the_nearest() -> None:
    with pytest.raises(SpecificationError, match=r"^unknown symbol 'pleese' \(did you mean 'please'\?\)$"):
        WORDS.encode(["tea", "pleese"])


@pytest.mark.parametrize(
    ("symbols", "message"),
    [
        ((), "the name of EOS is required"),
        (("<eos>", "a", "a"), "'a' is a symbol used twice"),
        (("<eos>", "a", "<eos>"), "'<eos>' is the reserved end-of-string name"),
        (("<eos>", ""), "symbols must be non-empty strings, found ''"),
    ],
)
def test_refused(symbols: tuple[str, ...], message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        Vocabulary(symbols)


@pytest.mark.parametrize("prompt_end", [0, -1, 3])
def test_the_prompt_ends_in_a_symbol(prompt_end: int) -> None:
    with pytest.raises(SpecificationError, match=f"a token from 1 to 2, found {prompt_end}"):
        Vocabulary(("<eos>", "a", "b"), prompt_end=prompt_end)


def test_the_prompt_is_up_to_the_first_closing_symbol() -> None:
    strings = np.array([[1, 3, 2, 0], [3, 0, 0, 0], [1, 2, 3, 0], [1, 3, 3, 0]])
    assert WORDS.prompt_length(strings).tolist() == [2, 1, 3, 2]
    assert Vocabulary(WORDS.symbols).prompt_length(strings).tolist() == [0, 0, 0, 0]


def test_a_document_without_its_closing_symbol_is_shown() -> None:
    with pytest.raises(SpecificationError, match=r"closing symbol '\?', found 'tea please' without it$"):
        WORDS.prompt_length(np.array([[1, 3, 0], [1, 2, 0]]))
