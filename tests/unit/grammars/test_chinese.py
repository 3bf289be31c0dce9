"""Templated Chinese: its law by hand in fractions, its words, and texts with spaces or without."""

import re
from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.config import construct
from sim.grammars._writing import as_yaml, mapping_of
from sim.grammars.chinese import LISTS, SHARES, chinese
from sim.grammars.file import Source, read
from sim.languages.finite import FiniteLanguage
from sim.numerics import SpecificationError
from sim.restrictions.regular import regular
from tests.unit.grammars.closed_forms import templated_entropy, templated_factors, templated_size

VARIANTS: list[dict[str, Any]] = [
    {},
    {"num_prompts": 1},
    {"zipf": 2.5, "swing": 0.0, "styles": {"assistant": 0.5, "jianghu": 0.5}},
    {"num_prompts": 2, "styles": {"poetic": 1.0}},
    {"words": "classroom"},
    {"words": "classroom", "num_prompts": 3, "seed": 0},
]


@pytest.fixture(scope="module")
def world() -> FiniteLanguage:
    return chinese()


@pytest.mark.parametrize("arguments", VARIANTS)
def test_entropy_and_size_by_two_routes(arguments: dict[str, Any]) -> None:
    world, factors = chinese(**arguments), templated_factors(chinese, LISTS, arguments)
    assert world.entropy() == pytest.approx(templated_entropy(factors), rel=0, abs=1e-12)
    assert np.exp(world.log_p).sum() == pytest.approx(1, abs=1e-12)
    assert world.support_size == templated_size(factors)
    assert world.styles is not None
    for z, name in enumerate(world.styles.names):
        share = arguments.get("styles", SHARES)[name]
        assert np.exp(world.log_p[world.styles.of == z]).sum() == pytest.approx(share, rel=0, abs=1e-13)


@pytest.mark.parametrize("words", LISTS)
def test_every_probability_by_brute_force(words: str) -> None:
    """With uniform words and prompts every probability is a fraction. Texts are filled in as a person would."""
    expected = uniform(words)
    world = chinese(words=words, prompt_zipf=0.0, zipf=0.0, swing=0.0)
    assert sum(expected.values()) == 1
    found = {world.vocabulary.decode(row): p for row, p in zip(world.trie.strings, world.log_p, strict=True)}
    assert found.keys() == expected.keys()
    for text, p in expected.items():
        assert np.exp(found[text]) == pytest.approx(float(p), rel=1e-12)


def uniform(words: str) -> Mapping[str, Fraction]:
    """The law of texts if prompts and words are uniform: a sum over all fillings, with no trie and no vocabulary."""
    chosen, law = LISTS[words], dict[str, Fraction]()
    for topic in chosen.topics:
        for name, share in SHARES.items():
            for form, part in chosen.styles[name].forms:
                slots = {"topic": (topic.name,), **topic.words, **chosen.common}
                used = re.findall(r"\{(\w+)\}", form)
                fillings = list(product(*(slots[slot] for slot in used)))
                for filling in fillings:
                    text = chosen.prompt.replace("{topic}", topic.name) + form
                    for slot, word in zip(used, filling, strict=True):
                        text = text.replace(f"{{{slot}}}", word)
                    text = text.replace(" ", "")
                    mass = Fraction(1, len(chosen.topics)) * Fraction(str(share)) * Fraction(str(part)) / len(fillings)
                    law[text] = law.get(text, Fraction(0)) + mass
    return law


def test_default_size(world: FiniteLanguage) -> None:
    assert world.support_size == 4092
    assert world.entropy() == pytest.approx(7.723475886985909, abs=1e-12)
    assert 12 <= world.length <= 17
    assert len(world.vocabulary) <= 128
    assert world.prompts.num_groups == 12


def test_style_may_be_decided_late(world: FiniteLanguage) -> None:
    assert world.styles is not None
    assert world.styles.disjoint
    texts = [world.vocabulary.decode(string) for string in world.trie.strings]
    for opening, styles in (
        ("月亮是什么样的？月亮又圆又安静", {"plain", "jianghu"}),
        ("月亮是什么样的？月亮很圆", {"plain", "assistant"}),
        ("月亮是什么样的？它又圆又安静", {"plain", "poetic"}),
    ):
        assert styles == {
            world.styles.names[z] for text, z in zip(texts, world.styles.of, strict=True) if text.startswith(opening)
        }


@pytest.mark.parametrize("words", LISTS)
def test_every_text_over_its_words_has_one_reading(words: str) -> None:
    """The words are a uniquely decodable code (Sardinas & Patterson 1953), whatever a model strings together."""
    symbols = set(chinese(words=words).vocabulary.symbols[1:])
    assert not sardinas_patterson(symbols)
    assert sardinas_patterson({"月", "亮", "月亮"}), "the test can fail"


def sardinas_patterson(code: set[str]) -> bool:
    """Whether some text has two readings: whether dangling suffixes of the code meet a code word."""
    suffixes = {b[len(a) :] for a in code for b in code if a != b and b.startswith(a)}
    seen: set[str] = set()
    while suffixes - seen:
        if suffixes & code:
            return True
        seen |= suffixes
        new = {word[len(s) :] for s in suffixes for word in code if word.startswith(s)}
        suffixes = (new | {s[len(word) :] for s in suffixes for word in code if s.startswith(word)}) - {""}
    return bool(suffixes & code)


@pytest.mark.parametrize("words", LISTS)
def test_texts_are_chinese_and_are_read_back(words: str) -> None:
    world = chinese(words=words)
    for row in world.trie.strings[::7]:
        text = world.vocabulary.decode(row)
        assert re.fullmatch(r"[\u4e00-\u9fff，。！？]+", text)
        tokens = row[row != 0].tolist()
        assert world.vocabulary.tokens(text, "text") == tokens
        assert world.vocabulary.tokens(" ".join(world.vocabulary.symbols[t] for t in tokens), "text") == tokens


def test_patterns_of_restrictions(world: FiniteLanguage) -> None:
    one, other = (regular(world, pattern=pattern) for pattern in (".*，少侠！", ".* ， 少侠 ！"))
    np.testing.assert_array_equal(one.event, other.event)
    assert world.styles is not None
    assert set(world.styles.of[one.event]) == {world.styles.names.index("jianghu")}


ANSWERS = """
type: strings
separator: ""
alphabet: [咖啡, 很, 苦, 香, 。]
strings: {咖啡很苦。: 1/2, 咖啡 很 香 。: 1/3, 很香: 1/6}
"""


def read_text(text: str, folder: Path, name: str = "g.yaml") -> Source:
    (folder / name).write_text(text, encoding="utf-8")
    return read(str(folder / name))


def test_a_file_of_chinese_strings(tmp_path: Path) -> None:
    """Keys are cut into the symbols of the alphabet, and what is written is read again as the same language."""
    world = read_text(ANSWERS, tmp_path)
    assert isinstance(world, FiniteLanguage)
    law = {world.vocabulary.decode(x): p for x, p in zip(world.trie.strings, np.exp(world.log_p), strict=True)}
    assert law == pytest.approx({"咖啡很苦。": 1 / 2, "咖啡很香。": 1 / 3, "很香": 1 / 6}, rel=1e-15)
    assert len(world.vocabulary) == 6
    again = read_text(as_yaml(mapping_of(world), "again"), tmp_path, "again.yaml")
    assert isinstance(again, FiniteLanguage)
    assert again.vocabulary == world.vocabulary
    np.testing.assert_array_equal(again.trie.strings, world.trie.strings)
    np.testing.assert_allclose(again.log_p, world.log_p, atol=1e-15)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "很香:",
            "咖啡很香。:",
            "every string once is required, found '咖啡 很 香 。' and '咖啡很香。'; write it once",
        ),
        ("很香:", "很甜:", "strings '很甜': unknown symbol '甜'"),
        ("香, 。]", "香, 。, 很香]", "found '很香' at position 0, which may be one symbol or begin with '很'"),
    ],
)
def test_files_that_are_refused(before: str, after: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        read_text(ANSWERS.replace(before, after), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"words": "home"}, "grammar.words: one of classroom, nature is required, found 'home'"),
        ({"num_prompts": 13}, "grammar: num_prompts: an integer from 1 to 12, .* found 13; write num_prompts=null"),
        ({"styles": {"pirate": 1.0}}, "grammar: styles: one of plain, poetic, jianghu, assistant .* found 'pirate'"),
        ({"styles": {"江湖": 1.0}}, "one of plain, poetic, jianghu, assistant is required, found '江湖'"),
        ({"styles": {"jiang_hu": 1.0}}, r"found 'jiang_hu' \(did you mean 'jianghu'\?\)"),
    ],
)
def test_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "chinese", **arguments}, "grammar")
    assert "\n" not in str(caught.value)
