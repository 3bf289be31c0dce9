"""Listed strings with rational probabilities, against sums over the list with fifty digits."""

import random
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary
from sim.selftest.checks import Check
from sim.selftest.oracles.numbers import entropy

VOCABULARY = Vocabulary(("<eos>", "a", "b", "c"))


def checks(rng: random.Random) -> Iterator[Check]:
    """The whole language and each of its strings."""
    strings = {tuple(rng.choices((1, 2, 3), k=rng.randint(0, 5))) for _ in range(rng.randint(1, 12))}
    weights = {x: rng.randint(1, 20) for x in sorted(strings)}
    law = {x: Fraction(weight, sum(weights.values())) for x, weight in weights.items()}
    table = np.zeros((len(law), max(map(len, law)) + 1), np.int32)
    for row, x in zip(table, law, strict=True):
        row[: len(x)] = x
    language = FiniteLanguage.from_strings(VOCABULARY, table, np.log([float(p) for p in law.values()]))
    yield Check("entropy", language.entropy(), entropy(law.values()), floor=1e-3)
    yield Check("collision", language.collision(), sum(p * p for p in law.values()))
