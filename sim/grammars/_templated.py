"""The language of templated questions and answers that a word list describes, whatever language its words are in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from sim.grammars._mixture import checked_shares, style_shares, zipf_law
from sim.grammars._templates import Topic, Words, slots_of
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError

GOLDEN = (np.sqrt(5) - 1) / 2
"""Its multiples modulo 1 are spread evenly. As offsets of Zipf's law they make probabilities generic, without ties."""


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
        return self.words.choices(topic, slot)

    def law(self, topic: int, style: str, slot: str) -> np.ndarray:
        """P(word | x, z, slot): float64[words], Zipf-Mandelbrot with the style's exponent.

        With a seed, the offset and the order of the words are random, the same for all styles.
        """
        slots = self.words.slots
        count, number = len(self.choices(topic, slot)), slots.index(slot)
        exponent = self.zipf * self.words.styles[style].focus
        if self.seed is None:
            return zipf_law(count, exponent, ((topic + 1) * len(slots) + number) * GOLDEN % 1.0)
        generator = np.random.default_rng([self.seed, topic, number])
        return zipf_law(count, exponent, generator.random())[generator.permutation(count)]

    def answers(self, topic: int, style: str) -> Iterator[tuple[str, float]]:
        """Yield every answer of a style to a prompt, its words separated by spaces, with P(y | x, z)."""
        for form, share in self.words.styles[style].forms:
            slots = slots_of(form)
            weighed = [list(zip(self.choices(topic, s), self.law(topic, style, s), strict=True)) for s in slots]
            for chosen in product(*weighed):
                filled = dict(zip(slots, (word for word, _ in chosen), strict=True))
                yield form.format(**filled), share * float(np.prod([p for _, p in chosen]))


def factors_of(
    words: Words,
    num_prompts: int | None,
    prompt_zipf: float,
    zipf: float,
    styles: Mapping[str, float],
    swing: float,
    seed: int | None,
) -> Factors:
    """Return the factors of a world. Without a number of prompts all topics of the list are asked about."""
    shares = checked_shares(styles, tuple(words.styles), "styles")
    topics = words.topics[: checked_number(num_prompts, len(words.topics))]
    prompt_law = zipf_law(len(topics), prompt_zipf, GOLDEN)
    if seed is not None:
        generator = np.random.default_rng(seed)
        prompt_law = zipf_law(len(topics), prompt_zipf, generator.random())[generator.permutation(len(topics))]
    leans = np.array([[topic.leans == style for style in shares] for topic in topics])
    by_prompt = style_shares(prompt_law, np.array(list(shares.values())), leans, swing)
    return Factors(words, topics, prompt_law, tuple(shares), by_prompt, zipf, seed)


def checked_number(num_prompts: int | None, most: int) -> int:
    """The number of prompts, `most` for None. Raises `SpecificationError` if the list has fewer topics."""
    if num_prompts is None:
        return most
    if num_prompts > most:
        raise SpecificationError(
            f"num_prompts: an integer from 1 to {most}, the number of topics in this word list, is required, "
            f"found {num_prompts}; write num_prompts=null for all topics"
        )
    return num_prompts


def language_of(factors: Factors) -> FiniteLanguage:
    """Return the language with these factors: every document, its exact probability, and its style."""
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
    for slot in ("topic", *words.common, *words.topics[0].words):
        if slot in slots:
            fixed += [word for topic in range(len(factors.topics)) for word in factors.choices(topic, slot)]
    symbols = ("<eos>", *dict.fromkeys(fixed))
    return Vocabulary(symbols, symbols.index(words.prompt.split()[-1]), words.joiner)
