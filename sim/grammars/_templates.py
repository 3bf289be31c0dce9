"""What a word list of templated sentences says.

A form is a sentence with slots, in tokens separated by spaces. {topic} is the topic itself. The other slots are filled
from the words of the topic, such as {look}, or from words that all topics have in common, such as {degree}. Every list
follows these rules, which make the world exact (a test checks them):

- A sentence of one form is never a sentence of another form, so the string determines the form and the style. Styles
  may begin with the same words: "the moon is bright" may still become plain, poetic or assistant.
- Within a topic every word belongs to one slot only. The last word of the prompt occurs nowhere else.
- All lists of a language have the same styles, so that shares and restrictions fit every list.
- If words are joined without spaces, as in Chinese, every text can be cut into words in one way only.

The list <name> of a language is `WORDS` in the file _<language>_<name>.py beside this one. A new list is a new file,
and an entry in `LISTS` of the language. It is imported there, so that an edited list makes another pretraining.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """A thing to ask about: the words of its slots, the most common word first, and the style that it attracts."""

    name: str
    words: Mapping[str, tuple[str, ...]]
    leans: str


def topic(name: str, looks: tuple[str, ...], moods: tuple[str, ...], similes: tuple[str, ...], leans: str) -> Topic:
    """Return a topic with the slots look, mood and simile."""
    return Topic(name, {"look": looks, "mood": moods, "simile": similes}, leans)


@dataclass(frozen=True)
class Style:
    """A way to answer: forms with their probabilities, and how strongly it prefers common words.

    Words follow Zipf's law with exponent `focus` times the world's exponent. A negative exponent prefers rare words.
    """

    forms: tuple[tuple[str, float], ...]
    focus: float


@dataclass(frozen=True)
class Words:
    """A word list: the form of the question, the words that all topics share by slot, the styles and the topics.

    `joiner` stands between the words of a text: a space in English, nothing in Chinese.
    """

    prompt: str
    common: Mapping[str, tuple[str, ...]]
    styles: Mapping[str, Style]
    topics: tuple[Topic, ...]
    joiner: str = " "

    @property
    def slots(self) -> tuple[str, ...]:
        """The slots of a form, in the order that numbers their laws."""
        return ("topic", *self.topics[0].words, *self.common)

    def choices(self, number: int, slot: str) -> tuple[str, ...]:
        """The words that can fill a slot in the answers about a topic, which is given by its number."""
        about = self.topics[number]
        return (about.name,) if slot == "topic" else {**about.words, **self.common}[slot]


def slots_of(form: str) -> list[str]:
    """The slots of a form, in order."""
    return [word[1:-1] for word in form.split() if word.startswith("{")]
