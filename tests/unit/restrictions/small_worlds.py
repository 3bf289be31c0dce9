"""Small worlds with prompts in fractions, and what the tests of the restrictions ask of them."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from sim.grammars.file import read
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.vocabulary import Vocabulary

WORDS = Vocabulary(("<eos>", "x", "y", ":", "a", "b", "c"), prompt_end=3)

LAW: Mapping[str, Fraction] = {
    text: Fraction(weight, 40)
    for text, weight in {
        "x : a": 12,
        "x : a b": 4,
        "x : b": 4,
        "x : c a": 2,
        "x : c b": 2,
        "y : a": 4,
        "y : b": 4,
        "y : c": 6,
        "y : c c": 2,
    }.items()
}
"""P(x) = 3/5, P(y) = 2/5."""


def spoken(law: Mapping[str, Fraction] = LAW, styles: Mapping[str, list[Fraction]] | None = None) -> FiniteLanguage:
    """The language of documents, with P(z | document) of styles u and v where given."""
    rows = [WORDS.encode(text.split()) for text in law]
    table = np.zeros((len(rows), max(map(len, rows)) + 1), np.int32)
    for row, tokens in zip(table, rows, strict=True):
        row[: len(tokens)] = tokens
    posterior = None
    if styles is not None:
        with np.errstate(divide="ignore"):
            posterior = Styles(("u", "v"), np.log([[float(share) for share in styles[text]] for text in law]))
    return FiniteLanguage.from_strings(WORDS, table, np.log([float(p) for p in law.values()]), posterior)


def as_law(language: FiniteLanguage) -> dict[str, float]:
    """Document -> probability, without those of probability 0."""
    return {
        language.vocabulary.decode(row): math.exp(log_p)
        for row, log_p in zip(language.trie.strings, language.log_p, strict=True)
        if log_p > -math.inf
    }


def given(law: Mapping[str, Fraction], keep: Callable[[str], bool]) -> dict[str, Fraction]:
    """P(. | A)."""
    kept = {text: p for text, p in law.items() if keep(text)}
    return {text: p / sum(kept.values()) for text, p in kept.items()}


def entropy(law: Mapping[str, Fraction]) -> float:
    return -math.fsum(float(p) * math.log(p) for p in law.values() if p)


def written(folder: Path, text: str) -> object:
    """The language of a grammar file."""
    (folder / "g.yaml").write_text(text, encoding="utf-8")
    return read(str(folder / "g.yaml"))
