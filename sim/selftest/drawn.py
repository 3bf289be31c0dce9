"""Draw random laws over a few strings, and build the objects under test from them."""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from sim.selftest.oracles.lists import Law, Symbols, normalised
from sim.selftest.oracles.numbers import log

BAR = 3
"""The token that ends a prompt."""

PLAIN = Vocabulary(("<eos>", "a", "b", "c"))
PROMPTED = Vocabulary(("<eos>", "a", "b", "|"), prompt_end=BAR)
PROMPTS: tuple[Symbols, ...] = ((1, BAR), (2, BAR), (2, 1, BAR), (BAR,))

LOG_FLOOR = 1e-3
"""Floor for logs of probabilities near 1: a mass is known to 1e-13, so its log is not known better."""

SMALL = 1e-3
"""Floor for entropies and divergences near 0: they are sums of terms that are not near 0, each known to 1e-13."""


def plain_law(rng: random.Random, most: int = 12, longest: int = 5, zeros: bool = True) -> dict[Symbols, Fraction]:
    """Draw strings of three symbols with weights of similar or very different size; some may have probability 0."""
    strings = {tuple(rng.choices((1, 2, 3), k=rng.randint(0, longest))) for _ in range(rng.randint(1, most))}
    return law_on(rng, strings, zeros)


def prompted_law(rng: random.Random, most: int = 14, zeros: bool = True) -> dict[Symbols, Fraction]:
    """Draw documents: one of four prompts, then an answer that may be empty or contain the closing symbol again."""
    prompts = rng.sample(PROMPTS, rng.randint(1, 4))
    documents = {
        rng.choice(prompts) + tuple(rng.choices((1, 2, 3), k=rng.randint(0, 3))) for _ in range(rng.randint(1, most))
    }
    return law_on(rng, documents, zeros)


def law_on(
    rng: random.Random, strings: Iterable[Symbols], zeros: bool = True, spread: int = 12
) -> dict[Symbols, Fraction]:
    """Draw a law on given strings. Weights span up to `spread` orders of magnitude; with `zeros` some may be 0."""
    spread = min(spread, rng.choice((0, 0, 1, 4, 12)))
    weights = {x: rng.randint(1, 20) * 10 ** rng.randint(0, spread) for x in sorted(strings)}
    if zeros and len(weights) > 1 and rng.random() < 0.3:
        for x in rng.sample(sorted(weights), rng.randint(1, len(weights) - 1)):
            weights[x] = 0
    return normalised(weights)


def as_language(
    law: Law,
    vocabulary: Vocabulary = PLAIN,
    posterior: dict[Symbols, list[Fraction]] | None = None,
    padding: int = 0,
    rng: random.Random | None = None,
) -> FiniteLanguage:
    """Return the law as a listed language. Its strings are in a random order if a generator is given.

    `posterior` is P(z | document) for styles named u, v, ...; `padding` makes the horizon longer than needed.
    """
    strings = list(law)
    if rng is not None:
        rng.shuffle(strings)
    table = np.zeros((len(strings), max(map(len, strings)) + 1 + padding), np.int32)
    for row, x in zip(table, strings, strict=True):
        row[: len(x)] = x
    styles = None
    if posterior is not None:
        names = tuple("uvwxyz"[: len(posterior[strings[0]])])
        styles = Styles(names, np.array([[float(log(p)) for p in posterior[x]] for x in strings]))
    return FiniteLanguage.from_strings(vocabulary, table, np.array([float(log(law[x])) for x in strings]), styles)


def strings_of(language: FiniteLanguage) -> list[Symbols]:
    """Return the listed strings in the order of the language's rows."""
    rows = zip(language.trie.strings.tolist(), language.trie.lengths.tolist(), strict=True)
    return [tuple(row[: size - 1]) for row, size in rows]


def logs(probabilities: Sequence[Fraction]) -> list[Any]:
    """Return the logs of probabilities with fifty digits [nat]; -inf for 0."""
    return [log(p) for p in probabilities]


def declined(ask: Callable[[], object], saying: str = "") -> bool:
    """Return whether `ask` is refused as bad input with a message that contains `saying`."""
    try:
        ask()
    except SpecificationError as problem:
        return saying in str(problem)
    return False


def member_of(rng: random.Random, strings: Iterable[Symbols], soft: bool) -> dict[Symbols, Fraction]:
    """Draw a random event: P(z | x) of every string, which is 0 or 1 unless the event is `soft`."""
    share = rng.choice((0.2, 0.5, 0.9))
    return {
        x: Fraction(0) if rng.random() > share else Fraction(rng.randint(1, 7), 7) if soft else Fraction(1)
        for x in strings
    }


def log_member(member: dict[Symbols, Fraction], strings: Sequence[Symbols]) -> np.ndarray:
    """Return log P(z | x) [nat] of the strings in order."""
    return np.array([float(log(member[x])) if member[x] else -math.inf for x in strings])
