"""The word lists of templated English, and where they are found. Sentences are tokens separated by spaces.

A form is a sentence with slots. {topic}, {look}, {mood} and {simile} are filled from the topic, and {degree} from the
degrees of the list. Every list follows these rules, which make the world exact (a test checks them):

- A sentence of one form is never a sentence of another form, so the string determines the form and the style. Styles
  may begin with the same words: "the moon is bright" may still become plain, poetic or assistant.
- Within a topic every word belongs to one slot only. The last word of the prompt occurs nowhere else.
- The styles are plain, poetic, pirate and assistant. There are 16 topics, and each attracts one style.

The list <name> is `WORDS` in the file _english_<name>.py beside this one. A new list is a new file.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NUM_TOPICS = 16
"""Number of topics in every list."""


@dataclass(frozen=True)
class Topic:
    """A thing to ask about. Its word lists begin with the most common word; `leans` is the style that it attracts."""

    name: str
    looks: tuple[str, ...]
    moods: tuple[str, ...]
    similes: tuple[str, ...]
    leans: str


@dataclass(frozen=True)
class Style:
    """A way to answer: forms with their probabilities, and how strongly it prefers common words.

    Words follow Zipf's law with exponent `focus` times the world's exponent. A negative exponent prefers rare words.
    """

    forms: tuple[tuple[str, float], ...]
    focus: float


@dataclass(frozen=True)
class Words:
    """A word list: the form of the question, the words of degree, the styles and the topics."""

    prompt: str
    degrees: tuple[str, ...]
    styles: Mapping[str, Style]
    topics: tuple[Topic, ...]


LISTS = tuple(sorted(file.stem.removeprefix("_english_") for file in Path(__file__).parent.glob("_english_*.py")))
"""Names of the word lists."""


def word_list(name: str) -> Words:
    """The word list with a name, which is one of `LISTS`."""
    words: Words = importlib.import_module(f"sim.grammars._english_{name}").WORDS
    return words


def slots_of(form: str) -> list[str]:
    """The slots of a form, in order."""
    return [word[1:-1] for word in form.split() if word.startswith("{")]
