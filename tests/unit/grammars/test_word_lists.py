"""The rules of every word list of templated sentences, in every language that has lists."""

from fractions import Fraction
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

from sim.config.content import _closure
from sim.grammars import chinese, english
from sim.grammars._templated import factors_of, language_of
from sim.grammars._templates import Words, slots_of
from sim.languages.finite import FiniteLanguage

ROOT = Path(__file__).parents[3] / "sim"
LANGUAGES = {"english": english, "chinese": chinese}
SHARES = {language: module.SHARES for language, module in LANGUAGES.items()}
LISTS = [(language, name) for language, module in LANGUAGES.items() for name in module.LISTS]

every_list = pytest.mark.parametrize(("language", "name"), LISTS, ids=["_".join(one) for one in LISTS])


def world_of(language: str, name: str) -> FiniteLanguage:
    return language_of(factors_of(LANGUAGES[language].LISTS[name], None, 0.5, 1.0, SHARES[language], 0.5, None))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_file_of_words_is_a_list(language: str) -> None:
    """They are imported by name, so an edited list is another source, and makes another pretraining."""
    module = LANGUAGES[language]
    files = Path(str(module.__file__)).parent.glob(f"_{language}_*.py")
    assert {file.stem.removeprefix(f"_{language}_") for file in files} == set(module.LISTS)
    assert set(_closure(module.__name__, "sim", ROOT)) >= {f"sim.grammars._{language}_{name}" for name in module.LISTS}


@every_list
def test_a_list_keeps_its_rules(language: str, name: str) -> None:
    words = LANGUAGES[language].LISTS[name]
    closing = words.prompt.split()[-1]
    assert words.prompt.split().count(closing) == 1
    assert "{topic}" in words.prompt.split()
    assert len(words.topics) == len({topic.name for topic in words.topics})
    for number, topic in enumerate(words.topics):
        assert (*topic.words, *words.common) == words.slots[1:], "all topics have the same slots"
        filled = [word for slot in words.slots for word in words.choices(number, slot)]
        assert len(set(filled)) == len(filled)
        assert topic.leans in words.styles
        assert all(word == word.lower() and word.isalpha() for word in filled)
    assert tuple(words.styles) == tuple(SHARES[language]), "so that shares and restrictions fit every list"
    for style in words.styles.values():
        assert sum(Fraction(str(share)) for _, share in style.forms) == 1
        assert all(closing not in form.split() for form, _ in style.forms), "the prompt's closing token is its own"
        assert all(len(set(slots_of(form))) == len(slots_of(form)) for form, _ in style.forms), "a slot once in a form"


@every_list
def test_a_sentence_tells_its_form(language: str, name: str) -> None:
    """Filling every form with every word of every topic, no sentence of a topic is made twice."""
    words = LANGUAGES[language].LISTS[name]
    for number in range(len(words.topics)):
        found = [sentence for style in words.styles for sentence in sentences(words, style, number)]
        assert len(set(found)) == len(found)


def sentences(words: Words, style: str, number: int) -> list[str]:
    """Every sentence of a style about a topic, with spaces between the words."""
    made = []
    for form, _ in words.styles[style].forms:
        names = slots_of(form)
        for filled in product(*(words.choices(number, slot) for slot in names)):
            made.append(form.format(**dict(zip(names, filled, strict=True))))
    return made


@pytest.mark.parametrize("name", english.LISTS)
def test_a_goes_before_a_consonant(name: str) -> None:
    words = english.LISTS[name]
    found = [one for style in words.styles for n in range(len(words.topics)) for one in sentences(words, style, n)]
    assert not any(after[0] in "aeiou" for one in found for before, after in pairwise(one.split()) if before == "a")
    assert not any(before == "an" for one in found for before, _ in pairwise(one.split()))


@every_list
def test_every_style_attracts_a_prompt(language: str, name: str) -> None:
    assert {topic.leans for topic in LANGUAGES[language].LISTS[name].topics[:12]} == set(SHARES[language])


@every_list
def test_assistant_answers_are_the_most_predictable(language: str, name: str) -> None:
    world = world_of(language, name)
    assert world.styles is not None
    entropy = {z: world.condition(world.styles.of == k)[0].entropy() for k, z in enumerate(world.styles.names)}
    assert min(entropy, key=entropy.__getitem__) == "assistant"
    assert entropy["assistant"] < world.entropy()
    assert len(np.unique(world.log_p.round(12))) == world.support_size, "probabilities are generic: no ties"


@pytest.mark.parametrize("language", SHARES)
def test_the_list_for_a_classroom_is_small(language: str) -> None:
    world = world_of(language, "classroom")
    assert world.styles is not None
    assert world.support_size == 128
    assert world.length == 10, "nine tokens and the end"
    assert np.bincount(world.prompts.group).tolist() == [32] * 4
    assert np.bincount(world.prompts.group * 4 + world.styles.of).tolist() == [8] * 16
