"""The default world: readable templated English, with many valid answers in four styles to every prompt. Tier A."""

from collections.abc import Mapping
from typing import Annotated

from sim.config import AtLeast, Check, NonNegative
from sim.grammars import _english_classroom, _english_home, _english_nature
from sim.grammars._mixture import SWING
from sim.grammars._templated import factors_of, language_of
from sim.languages.finite import FiniteLanguage

SHARES = {"plain": 0.34, "poetic": 0.24, "pirate": 0.2, "assistant": 0.22}
"""P(z), the default share of documents in each style."""

LISTS = {"classroom": _english_classroom.WORDS, "home": _english_home.WORDS, "nature": _english_nature.WORDS}
"""The word lists by name."""

WordList = Check(f"one of {', '.join(LISTS)}", lambda value: value in LISTS)


def english(
    *,
    words: Annotated[str, WordList] = "nature",
    num_prompts: Annotated[int | None, AtLeast(1)] = 12,
    prompt_zipf: Annotated[float, NonNegative] = 0.5,
    zipf: Annotated[float, NonNegative] = 1.0,
    styles: Mapping[str, float] = SHARES,
    swing: Annotated[float, SWING] = 0.5,
    seed: Annotated[int | None, AtLeast(0)] = None,
) -> FiniteLanguage:
    """Questions about `num_prompts` topics with answers in the styles plain, poetic, pirate and assistant.

    `words` is the name of the word list: nature and home have 16 topics, and classroom has 4 (see
    `sim.grammars._templates`). Without a number of prompts (null) all topics of the list are asked about.
    P(x, z, y) = P(x) P(z|x) P(y|x,z). P(x) is Zipf's law with exponent `prompt_zipf`. `styles` are the shares P(z),
    which must sum to 1; a share of 0 leaves a style out. `swing` [1] is how far P(z|x) varies with the prompt (0: not
    at all). `zipf` is the exponent of word choice (0: uniform). Each style scales it: assistant prefers common words,
    poetic rare ones. `seed` draws which prompts and words are common, and how common they are; without one (null) the
    first of every list is the most common. Every seed has the same strings. The string determines its style, in some
    answers only near its end. Raises `SpecificationError` for shares that are not a law, for unknown styles, and for
    more prompts than the list has topics.
    """
    return language_of(factors_of(LISTS[words], num_prompts, prompt_zipf, zipf, styles, swing, seed))


def label(**_: object) -> str:
    """The world in words."""
    return "templated English"
