"""Templated Chinese, the counterpart of `english`: many valid answers in four styles to every prompt. Tier A."""

from collections.abc import Mapping
from typing import Annotated

from sim.config import AtLeast, Check, NonNegative
from sim.grammars import _chinese_classroom, _chinese_nature
from sim.grammars._mixture import SWING
from sim.grammars._templated import factors_of, language_of
from sim.languages.finite import FiniteLanguage

SHARES = {"plain": 0.34, "poetic": 0.24, "jianghu": 0.2, "assistant": 0.22}
"""P(z), the default share of documents in each style.

Names of styles are Latin letters, because a command line takes these without quotes.
"""

LISTS = {"classroom": _chinese_classroom.WORDS, "nature": _chinese_nature.WORDS}
"""The word lists by name."""

WordList = Check(f"one of {', '.join(LISTS)}", lambda value: value in LISTS)


def chinese(
    *,
    words: Annotated[str, WordList] = "nature",
    num_prompts: Annotated[int | None, AtLeast(1)] = None,
    prompt_zipf: Annotated[float, NonNegative] = 0.5,
    zipf: Annotated[float, NonNegative] = 1.0,
    styles: Mapping[str, float] = SHARES,
    swing: Annotated[float, SWING] = 0.5,
    seed: Annotated[int | None, AtLeast(0)] = None,
) -> FiniteLanguage:
    """Chinese questions about `num_prompts` topics with answers in the styles plain, poetic, jianghu and assistant.

    A token is a word. Texts are written without spaces, and are read with or without them. jianghu (江湖) is the way in
    which heroes of martial arts novels speak; plain is 平实, poetic 诗意, assistant 助手. `words` is the name of the
    word list: nature has 12 topics, and classroom has 4. Without a number of prompts (null) all topics of the list are
    asked about. The law and the other arguments are those of `english`: P(x, z, y) = P(x) P(z|x) P(y|x,z). Raises
    `SpecificationError` for shares that are not a law, for unknown styles, and for more prompts than topics.
    """
    return language_of(factors_of(LISTS[words], num_prompts, prompt_zipf, zipf, styles, swing, seed))


def label(**_: object) -> str:
    """The world in words."""
    return "templated Chinese"
