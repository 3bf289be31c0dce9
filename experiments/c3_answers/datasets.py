"""C3.2: the diversity of finite data sets, drawn from worlds without any training, beside the two formulas."""

import functools

import numpy as np
import polars as pl

from sim.config import construct
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.theory.answers import expected_collision, expected_entropy

NUMBERS = (1, 2, 4, 16)
"""m, answers per prompt."""

WORLDS, DRAWS = 10, 32
"""Number of worlds, each with 32 prompts, and number of data sets of a world for each m."""


@functools.cache
def datasets() -> pl.DataFrame:
    """Return a row for each world and m: C and H [nat] of a table that fits its data exactly, and their expectations.

    Such a table is the empirical law of the data. Numbers are means over the prompts and data sets of the world.
    """
    rows = []
    for seed in range(WORLDS):
        p = construct("grammar", {"kind": "topics", "seed": seed}, "grammar")[0]
        assert isinstance(p, FiniteLanguage)
        laws = [np.exp(p.answers[p.prompts.group == x]) for x in range(p.prompts.num_groups)]
        for m in NUMBERS:
            found = [_diversity(p, m, DRAWS * seed + draw) for draw in range(DRAWS)]
            collision, entropy = np.mean(found, axis=0).tolist()
            rows.append(
                {
                    "seed": seed, "m": m, "collision": collision, "entropy": entropy,
                    "expected_collision": float(np.mean([expected_collision(law, m) for law in laws])),
                    "expected_entropy": float(np.mean([expected_entropy(law, m) for law in laws])),
                }
            )  # fmt: skip
    return pl.DataFrame(rows)


def _diversity(p: FiniteLanguage, m: int, seed: int) -> tuple[float, float]:
    """C and H [nat] of one data set, the means over its prompts."""
    drawn = construct("restriction", {"kind": "answers", "num_answers": m, "seed": seed}, "restriction", p)
    assert isinstance(drawn, Restricted)
    log_s = drawn.s.answers[drawn.s.log_p > -np.inf]
    share, number = np.exp(log_s), p.prompts.num_groups
    return float(share @ share) / number, float(-(share @ log_s)) / number + 0.0
