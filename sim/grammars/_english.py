"""What a word list of templated English is, and where lists are found. Sentences are tokens separated by spaces.

A form is a sentence with slots: {topic}, {look}, {mood} and {simile} are filled from the topic, {degree} from the
list's degrees. Every list keeps the same rules, which make the world exact (a test holds it to them):

- Every sentence that a form can make differs from those of all other forms, so that the string tells the form and the
  style. Styles may share their openings: "the moon is bright" may still become plain, poetic or assistant.
- A word has one slot only within a topic, and the last word of the prompt stands nowhere else.
- The styles are plain, poetic, pirate and assistant; there are 16 topics, each of which attracts one of them.

The list <name> is `WORDS` of the file _english_<name>.py beside this one: a new list is a new file.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NUM_TOPICS = 16
"""Topics of every list."""


@dataclass(frozen=True)
class Topic:
    """A thing one can ask about. Word lists begin with the most common word; `leans` is the style it attracts."""

    name: str
    looks: tuple[str, ...]
    moods: tuple[str, ...]
    similes: tuple[str, ...]
    leans: str


@dataclass(frozen=True)
class Style:
    """A way to answer: forms with their probabilities, and how strongly it prefers common words.

    Word choice follows Zipf's law with exponent `focus` times the world's exponent; a negative one prefers rare words.
    """

    forms: tuple[tuple[str, float], ...]
    focus: float


@dataclass(frozen=True)
class Words:
    """A word list: how one asks, the words of degree, the ways to answer, and what is asked about."""

    prompt: str
    degrees: tuple[str, ...]
    styles: Mapping[str, Style]
    topics: tuple[Topic, ...]


LISTS = tuple(sorted(file.stem.removeprefix("_english_") for file in Path(__file__).parent.glob("_english_*.py")))
"""Names of the word lists."""


def word_list(name: str) -> Words:
    """The word list of a name, one of `LISTS`."""
    words: Words = importlib.import_module(f"sim.grammars._english_{name}").WORDS
    return words


def slots_of(form: str) -> list[str]:
    """The slots of a form, in order."""
    return [word[1:-1] for word in form.split() if word.startswith("{")]
