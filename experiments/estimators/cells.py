"""Bias, spread and coverage of every estimator, by drawing samples from laws whose truth is listed."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from experiments.estimators.exact import bias
from experiments.estimators.pairs import Pair
from sim.estimators._binomial import clopper_pearson
from sim.estimators._found import METHODS, NONE, Estimator, Found
from sim.estimators._sample import Sample
from sim.estimators.table import estimators

SIZES = (10, 30, 100, 300, 1_000, 3_000, 10_000)
"""Numbers of strings n in a sample."""

REPETITIONS = 2_000
"""Samples of every size. The standard error of a coverage of 95 % is then 0.5 percentage points."""

CHUNK = 100
"""Samples that are drawn and measured together: few enough for the cache of a core. It changes no number."""

LEVEL = 0.95
"""Level of the intervals."""

ROUNDING = 1e-12
"""Relative distance by which an interval may miss the truth, because both are rounded."""

COLUMNS = {
    "language": pl.String, "pair": pl.String, "words": pl.String, "target": pl.String, "estimator": pl.String,
    "n": pl.Int64, "truth": pl.Float64, "bias": pl.Float64, "bias_error": pl.Float64, "bias_exact": pl.Float64,
    "sd": pl.Float64,
    "reported": pl.Float64, "by_t": pl.Float64, "covered": pl.Float64, "covered_lower": pl.Float64,
    "covered_upper": pl.Float64, "width": pl.Float64, "usual": pl.Float64, "usual_lower": pl.Float64,
    "usual_upper": pl.Float64, "usual_width": pl.Float64,
}  # fmt: skip
"""Columns of the table `cells`; docs/estimators.md describes them."""


def cells(pair: Pair, seed: int, sizes: tuple[int, ...] = SIZES, repetitions: int = REPETITIONS) -> pl.DataFrame:
    """Return a row for every estimator and size. The samples of a size are the same for all estimators.

    bias: mean error, with its standard error; null for an infinite truth. bias_exact: its expectation. sd: standard
    deviation of the error.
    reported: share of samples with an interval, and by_t those with Student's. covered: share of the reported intervals
    that hold the truth, with an exact 95 % interval (Clopper and Pearson); null if none is reported. width: their
    median width. usual: the same for the interval of the literature.
    """
    rows = []
    for place, n in enumerate(sizes):
        generator = np.random.default_rng([seed, place])
        parts: dict[int, list[tuple[Found, np.ndarray]]] = {}
        done = 0
        while done < repetitions:
            number = min(CHUNK, repetitions - done)
            done += number
            sample, law = drawn(pair, n, number, generator)
            for at, one in enumerate(estimators()):
                if n >= one.least:
                    parts.setdefault(at, []).append((one.measure(sample, LEVEL), truth(pair, one, sample, law)))
        rows += [_row(pair, one, n, parts[at]) for at, one in enumerate(estimators()) if at in parts]
    return pl.DataFrame(rows, COLUMNS)


def drawn(pair: Pair, n: int, number: int, generator: np.random.Generator) -> tuple[Sample, np.ndarray]:
    """Return samples of n strings as counts [number, K], and the law q, float64[K]."""
    law = np.exp(pair.log_q)
    counts = generator.multinomial(n, law, size=number)
    return Sample(counts, pair.log_q, pair.log_p, pair.entropies, pair.divergences, pair.known), law


def truth(pair: Pair, estimator: Estimator, sample: Sample, law: np.ndarray) -> np.ndarray:
    """Return what an estimator should have found in each sample: the missing mass differs from sample to sample."""
    if estimator.target == "missing mass":
        return np.asarray((sample.counts == 0) @ law)
    return np.full(len(sample.counts), pair.truth[estimator.target])


def _row(pair: Pair, estimator: Estimator, n: int, parts: list[tuple[Found, np.ndarray]]) -> dict[str, Any]:
    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(found, name) for found, _ in parts])

    true, value, method = np.concatenate([one for _, one in parts]), joined("value"), joined("method")
    finite = bool(np.isfinite(true).all() and np.isfinite(value).all())
    error = value - true if finite else np.zeros(0)
    reported = method != NONE
    own = coverage(joined("lower")[reported], joined("upper")[reported], true[reported])
    usual = coverage(joined("usual_lower"), joined("usual_upper"), true)
    numbers = {
        "bias": float(error.mean()) if finite else None,
        "bias_error": float(error.std(ddof=1) / math.sqrt(len(error))) if finite else None,
        "bias_exact": bias(pair, estimator, n),
        "sd": float(error.std(ddof=1)) if finite else None,
        "reported": float(reported.mean()),
        "by_t": float((method == METHODS.index("t")).mean()),
    }
    names = ("covered", "covered_lower", "covered_upper", "width")
    usual_names = ("usual", "usual_lower", "usual_upper", "usual_width")
    return {
        "language": pair.language, "pair": pair.name, "words": pair.words, "target": estimator.target,
        "estimator": estimator.name, "n": n, "truth": None if estimator.target == "missing mass" else float(true[0]),
        **numbers, **dict(zip(names, own, strict=True)), **dict(zip(usual_names, usual, strict=True)),
    }  # fmt: skip


def coverage(lower: np.ndarray, upper: np.ndarray, true: np.ndarray) -> Iterator[float | None]:
    """The share of intervals that hold the truth with its interval, and the median width."""
    if not len(true):
        return iter((None, None, None, None))
    slack = np.where(np.isfinite(true), ROUNDING * np.maximum(1.0, np.abs(np.where(np.isfinite(true), true, 0.0))), 0.0)
    held = int(((lower <= true + slack) & (true <= upper + slack)).sum())
    with np.errstate(invalid="ignore"):
        width = np.where(lower == upper, 0.0, upper - lower)
    return iter((held / len(true), *clopper_pearson(held, len(true), LEVEL), float(np.median(width))))
