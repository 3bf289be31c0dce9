"""The default world: readable templated English, with many valid answers in four styles to every prompt. Tier A."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated

import numpy as np

from sim.config import AtLeast, Check, NonNegative
from sim.grammars._english import LISTS, NUM_TOPICS, Topic, Words, slots_of, word_list
from sim.grammars._mixture import SWING, checked_shares, style_shares, zipf_law
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS

SHARES = {"plain": 0.34, "poetic": 0.24, "pirate": 0.2, "assistant": 0.22}
"""P(z), the default share of documents in each style."""

GOLDEN = (np.sqrt(5) - 1) / 2
"""Its multiples modulo 1 are spread evenly. As offsets of Zipf's law they make probabilities generic, without ties."""

SLOTS = ("topic", "look", "mood", "simile", "degree")
"""The slots of a form, in the order that numbers their laws."""

Topics = Check(f"an integer from 1 to {NUM_TOPICS}", lambda value: 1 <= value <= NUM_TOPICS)
WordList = Check(f"one of {', '.join(LISTS)}", lambda value: value in LISTS)


@dataclass(frozen=True)
class Factors:
    """P(x, z, y) = P(x) P(z | x) P(form | z) prod_slots P(word | x, z, slot), before anything is enumerated."""

    words: Words
    topics: tuple[Topic, ...]
    prompt_law: np.ndarray  # float64[G], P(x)
    styles: tuple[str, ...]
    shares: np.ndarray  # float64[G, Z], P(z | x)
    zipf: float
    seed: int | None = None

    def choices(self, topic: int, slot: str) -> tuple[str, ...]:
        """The words that can fill a slot in the answers of a topic."""
        about = self.topics[topic]
        return {
            "topic": (about.name,),
            "look": about.looks,
            "mood": about.moods,
            "simile": about.similes,
            "degree": self.words.degrees,
        }[slot]

    def law(self, topic: int, style: str, slot: str) -> np.ndarray:
        """P(word | x, z, slot): float64[words], Zipf-Mandelbrot with the style's exponent.

        With a seed, the offset and the order of the words are random, the same for all styles.
        """
        count, number = len(self.choices(topic, slot)), SLOTS.index(slot)
        exponent = self.zipf * self.words.styles[style].focus
        if self.seed is None:
            return zipf_law(count, exponent, ((topic + 1) * len(SLOTS) + number) * GOLDEN % 1.0)
        generator = np.random.default_rng([self.seed, topic, number])
        return zipf_law(count, exponent, generator.random())[generator.permutation(count)]

    def answers(self, topic: int, style: str) -> Iterator[tuple[str, float]]:
        """Yield every answer of a style to a prompt, with P(y | x, z)."""
        for form, share in self.words.styles[style].forms:
            slots = slots_of(form)
            weighed = [list(zip(self.choices(topic, s), self.law(topic, style, s), strict=True)) for s in slots]
            for chosen in product(*weighed):
                filled = dict(zip(slots, (word for word, _ in chosen), strict=True))
                yield form.format(**filled), share * float(np.prod([p for _, p in chosen]))


def english_factors(
    num_prompts: int = 12,
    prompt_zipf: float = 0.5,
    zipf: float = 1.0,
    styles: Mapping[str, float] = SHARES,
    swing: float = 0.5,
    words: str = "nature",
    seed: int | None = None,
) -> Factors:
    """The factors of `english`, from the same arguments."""
    chosen = word_list(words)
    shares = checked_shares(styles, tuple(chosen.styles), "styles")
    topics = chosen.topics[:num_prompts]
    prompt_law = zipf_law(num_prompts, prompt_zipf, GOLDEN)
    if seed is not None:
        generator = np.random.default_rng(seed)
        prompt_law = zipf_law(num_prompts, prompt_zipf, generator.random())[generator.permutation(num_prompts)]
    leans = np.array([[topic.leans == style for style in shares] for topic in topics])
    by_prompt = style_shares(prompt_law, np.array(list(shares.values())), leans, swing)
    return Factors(chosen, topics, prompt_law, tuple(shares), by_prompt, zipf, seed)


def english(
    *,
    words: Annotated[str, WordList] = "nature",
    num_prompts: Annotated[int, Topics] = 12,
    prompt_zipf: Annotated[float, NonNegative] = 0.5,
    zipf: Annotated[float, NonNegative] = 1.0,
    styles: Mapping[str, float] = SHARES,
    swing: Annotated[float, SWING] = 0.5,
    seed: Annotated[int | None, AtLeast(0)] = None,
) -> FiniteLanguage:
    """Questions about `num_prompts` topics with answers in the styles plain, poetic, pirate and assistant.

    `words` is the name of the word list, nature or home (see `sim.grammars._english`).
    P(x, z, y) = P(x) P(z|x) P(y|x,z). P(x) is Zipf's law with exponent `prompt_zipf`. `styles` are the shares P(z),
    which must sum to 1; a share of 0 leaves a style out. `swing` [1] is how far P(z|x) varies with the prompt (0: not
    at all). `zipf` is the exponent of word choice (0: uniform). Each style scales it: assistant prefers common words,
    poetic rare ones. `seed` draws which prompts and words are common, and how common they are; without one (null) the
    first of every list is the most common. Every seed has the same strings. The string determines its style, in some
    answers only near its end. Raises `SpecificationError` for shares that are not a law, and for unknown styles.
    """
    factors = english_factors(num_prompts, prompt_zipf, zipf, styles, swing, words, seed)
    documents: list[list[str]] = []
    log_p: list[float] = []
    style_of: list[int] = []
    for topic, p_topic in enumerate(factors.prompt_law):
        prompt = factors.words.prompt.format(topic=factors.topics[topic].name)
        for z, style in enumerate(factors.styles):
            for answer, p_answer in factors.answers(topic, style):
                documents.append(f"{prompt} {answer}".split())
                log_p.append(float(np.log(p_topic) + np.log(factors.shares[topic, z]) + np.log(p_answer)))
                style_of.append(z)
    vocabulary = _vocabulary(factors)
    token = {symbol: index for index, symbol in enumerate(vocabulary.symbols)}
    strings = np.full((len(documents), max(map(len, documents)) + 1), EOS, np.int32)
    for row, document in zip(strings, documents, strict=True):
        row[: len(document)] = [token[word] for word in document]
    posterior = np.where(np.array(style_of)[:, None] == np.arange(len(factors.styles)), 0.0, -np.inf)
    return FiniteLanguage.from_strings(vocabulary, strings, np.array(log_p), Styles(factors.styles, posterior))


def _vocabulary(factors: Factors) -> Vocabulary:
    """The words in use: first those of the sentences, then topics and their words, each in order of appearance."""
    words = factors.words
    sentences = [words.prompt, *(form for style in factors.styles for form, _ in words.styles[style].forms)]
    fixed = [word for sentence in sentences for word in sentence.split() if not word.startswith("{")]
    slots = {slot for sentence in sentences for slot in slots_of(sentence)}
    for slot in ("topic", "degree", "look", "mood", "simile"):
        if slot in slots:
            fixed += [word for topic in range(len(factors.topics)) for word in factors.choices(topic, slot)]
    symbols = ("<eos>", *dict.fromkeys(fixed))
    return Vocabulary(symbols, prompt_end=symbols.index(words.prompt.split()[-1]))


def label(**_: object) -> str:
    """The world in words."""
    return "templated English"
