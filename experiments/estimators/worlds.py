"""Do intervals over worlds, which every verdict shows, cover as often as they say? By drawing from listed worlds."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from experiments.estimators.cells import LEVEL
from experiments.statistics import BOOTSTRAP_FROM, interval
from sim.config import construct
from sim.estimators._binomial import clopper_pearson
from sim.languages.finite import FiniteLanguage
from sim.show.published import published

SEEDS = 400
"""Number of worlds of which a population consists."""

NUMBERS = {5: 2_000, 12: 2_000, BOOTSTRAP_FROM: 400}
"""Numbers of worlds in a study, and how many studies are drawn: the bootstrap takes a thousand times as long as t."""

RESAMPLED = 400
"""Number of studies that are drawn of each published quantity."""

SOURCE, COLUMNS = "m_methods", ("e", "forgetting", "fit", "h_s")
"""Published numbers of twelve worlds, and which: erasure, forgetting, fit, entropy after fine-tuning."""

SCHEMA = {
    "source": pl.String, "quantity": pl.String, "worlds": pl.Int64, "method": pl.String, "skewness": pl.Float64,
    "studies": pl.Int64, "covered": pl.Float64, "covered_lower": pl.Float64, "covered_upper": pl.Float64,
}  # fmt: skip
"""Columns of the table `worlds`: how often the interval of `experiments.statistics` held the mean of all worlds."""


def worlds(seed: int = 99, scale: float = 1.0) -> pl.DataFrame:
    """Return how often intervals over worlds hold the mean of a population that is listed, a row for each quantity.

    The first populations are exact quantities of SEEDS worlds; the others are published numbers of twelve worlds, each
    of which stands for a twelfth of all worlds. Worlds are drawn with replacement, so the true mean is that of the
    population. scale: factor of the number of studies.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for name, values in exact().items():
        for number, studies in NUMBERS.items():
            count = max(20, round(scale * studies))
            rows.append(_row(f"{SEEDS} worlds, exact", name, values, number, count, generator))
    for name, values in resampled():
        for number in (5, 12):
            rows.append(_row("12 worlds, published", name, values, number, round(scale * RESAMPLED), generator))
    return pl.DataFrame(rows, SCHEMA)


def exact() -> dict[str, np.ndarray]:
    """Return exact quantities of worlds that differ in their seed, float64[SEEDS] each."""
    found: dict[str, list[float]] = {}
    for seed in range(SEEDS):
        made = construct("grammar", {"kind": "dyck", "seed": seed}, "grammar")
        p: FiniteLanguage = made[0] if isinstance(made, tuple) else made
        law = np.sort(np.exp(p.log_p))[::-1]
        mass = np.cumsum(law)
        kept = int(np.searchsorted(mass, 0.5)) + 1
        inside = law[:kept] / mass[kept - 1]
        entropy = -math.fsum(inside * np.log(inside))
        found.setdefault("entropy H(P)", []).append(p.entropy())
        found.setdefault("change of entropy, P given half of the mass", []).append(entropy - p.entropy())
        found.setdefault("largest probability", []).append(float(law[0]))
        found.setdefault("odds of the rarest string", []).append(float(law[0] / law[-1]))
    return {name: np.array(values) for name, values in found.items()}


def resampled() -> Iterator[tuple[str, np.ndarray]]:
    """Iterate over published numbers of twelve worlds: each quantity of each method, where the worlds differ."""
    table = pl.read_parquet(published(SOURCE).file("ends"))
    for (part,), group in table.group_by("part", maintain_order=True):
        for column in COLUMNS:
            values = group[column].drop_nulls().to_numpy()
            if len(values) == 12 and np.isfinite(values).all() and np.ptp(values) > 0:
                yield f"{column}, {part}", values


def skewness(values: np.ndarray) -> float:
    """Third central moment over the cube of the standard deviation [1]."""
    centred = values - values.mean()
    return float((centred**3).mean() / (centred**2).mean() ** 1.5)


def _row(
    source: str, quantity: str, values: np.ndarray, number: int, studies: int, generator: np.random.Generator
) -> dict[str, Any]:
    truth = math.fsum(values) / len(values)
    drawn = values[generator.integers(len(values), size=(studies, number))]
    found = [interval(one, LEVEL) for one in drawn]
    held = sum(one.lower <= truth <= one.upper for one in found)
    method = next((one.method for one in found if one.method != "none"), "none")
    lower, upper = clopper_pearson(held, studies)
    return {
        "source": source, "quantity": quantity, "worlds": number, "method": method, "skewness": skewness(values),
        "studies": studies, "covered": held / studies, "covered_lower": lower, "covered_upper": upper,
    }  # fmt: skip
