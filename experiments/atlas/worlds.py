"""The worlds of an atlas: which runs share one, and the exact frontiers of each world in three planes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from experiments.study import Study
from sim.disk.records import Record
from sim.theory.frontier import frontier_points, least_forgettings
from sim.theory.frontier_coverage import filled_points, most_coverage
from sim.theory.frontier_entropy import most_entropy, tempered_points

SAMPLES = 10
"""The number N of samples of the plane of coverage."""

MULTIPLIERS = {
    "fit": np.logspace(-4.0, 3.0, 71),
    "validity": np.concatenate([[0.0], np.logspace(-2.0, 2.0, 81)]),
    f"coverage_{SAMPLES}": np.concatenate([[0.0], np.logspace(-6.0, 1.0, 71)]),
}
"""The multipliers at which the frontiers of each plane are drawn: the same for all worlds, so that means exist.

fit: λ, the weight of KL(P‖q); validity: 1/τ, the nats of entropy for a nat of surprisal; coverage: what a little more
leak costs.
"""

PLACES = {
    "surprisal": ("surprisal", ""), "h_on": ("supported_entropy", ""),
    "coverage_2": ("sampled_coverage", "2"), "coverage_10": ("sampled_coverage", "10"),
}  # fmt: skip
"""Coordinates of a law in the planes of validity and of coverage: columns, and the metric and its column `at`."""

LAWS = ("grammar.", "restriction.")
"""The leaves of a configuration that decide P and S begin so."""


@dataclass(frozen=True, eq=False)
class World:
    """P and S of a world on one list of documents [nat], float64[N], with the number of the prompt of each."""

    log_p: np.ndarray
    log_s: np.ndarray
    prompt: np.ndarray

    @classmethod
    def of(cls, record: Record) -> "World":
        """Return the world of a record."""
        return cls(record.p.log_p, record.restricted.s.log_p, record.p.prompts.group)

    def least(self, fits: np.ndarray) -> np.ndarray:
        """The least KL(P‖q) at some fits KL(S‖q) [nat per answer]; nan at nan."""
        return _known(lambda own: least_forgettings(self.log_s, self.log_p, own, self.prompt), fits)

    def most_entropy(self, surprisals: np.ndarray) -> np.ndarray:
        """The largest entropy at some surprisals [nat per answer]; nan at nan."""
        return _known(lambda own: most_entropy(self.log_p, own, self.prompt), surprisals)

    def most_coverage(self, leaks: np.ndarray) -> np.ndarray:
        """The largest coverage at some leaks q(⊥); nan at nan."""
        return _known(lambda own: most_coverage(self.log_p, own, SAMPLES, self.prompt), leaks)

    def frontiers(self) -> pl.DataFrame:
        """The three curves: plane, multiplier, x, y."""
        curves = {
            "fit": lambda own: frontier_points(self.log_s, self.log_p, own, self.prompt),
            "validity": lambda own: tempered_points(self.log_p, own, self.prompt),
            f"coverage_{SAMPLES}": lambda own: filled_points(self.log_p, own, SAMPLES, self.prompt),
        }
        parts = [
            pl.DataFrame(dict(zip(("multiplier", "x", "y"), (own, *curves[plane](own)), strict=True))).select(
                pl.lit(plane).alias("plane"), "multiplier", "x", "y"
            )
            for plane, own in MULTIPLIERS.items()
        ]
        return pl.concat(parts)


def _known(function: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> np.ndarray:
    found, there = np.full(values.shape, np.nan), ~np.isnan(values)
    found[there] = function(values[there])
    return found


def worlds_of(study: Study, runs: pl.DataFrame) -> dict[str, World]:
    """Return the worlds of the runs by the names in their column `world`. One record of each is read."""
    first = runs.unique("world", keep="first", maintain_order=True)
    return {world: World.of(study.record(run)) for world, run in first.select("world", "run").iter_rows()}


def named_worlds(study: Study) -> pl.DataFrame:
    """Return the language (the kind of grammar) and the world of every run: run, language, world.

    Runs share a world if all that decides P and S is the same in their configurations, and H(P), H(S) and KL(S‖P) are
    equal to the last bit: a restriction may read its law from a model.
    """
    runs = study.runs
    language = pl.col("grammar.kind") if "grammar.kind" in runs.columns else pl.lit("")
    leaves = ["seed", *(name for name in runs.columns if name.startswith(LAWS))]
    found = runs.select("run", *leaves, language=language.fill_null(""))
    for of, law in (("P", "P(x)"), ("S", "S(x)"), ("S", "P(x)")):
        own = study.pick("entropy", of, law).select("run", pl.col("lower").alias(f"H({of}) {law}"))
        found = found.join(own, on="run", how="left", maintain_order="left")
    same = [name for name in found.columns if name != "run"]
    return found.select("run", "language", world=pl.struct(same).rank("dense").cast(pl.String))


def planes(worlds: dict[str, World], runs: pl.DataFrame) -> pl.DataFrame:
    """Return the frontiers of all worlds: language, seed, world, plane, multiplier, x, y.

    x and y are KL(S‖q) and KL(P‖q) in the plane `fit`; E_q[-log P] and H(q), given that P can say it, in `validity`
    [all nat per answer]; q(⊥) and the probability that N samples hold an answer of P in `coverage_N`.
    """
    first = runs.unique("world", keep="first", maintain_order=True).sort("language", "seed", maintain_order=True)
    columns = dict.fromkeys(("language", "world", "plane"), pl.String) | {"seed": pl.Int64}
    order = ("language", "seed", "world", "plane", "multiplier", "x", "y")
    parts = [pl.DataFrame(schema={name: columns.get(name, pl.Float64) for name in order})]
    parts += [
        worlds[world].frontiers().select(pl.lit(language).alias("language"), pl.lit(seed, pl.Int64).alias("seed"),
                                         pl.lit(world).alias("world"), pl.all())
        for language, seed, world in first.select("language", "seed", "world").iter_rows()
    ]  # fmt: skip
    return pl.concat(parts)


def mean_planes(frontiers: pl.DataFrame) -> pl.DataFrame:
    """Return the mean of the frontiers over worlds at equal multipliers: language, plane, multiplier, x, y, worlds.

    These points are the frontier of the mean: no choice of a model for every world has a mean beyond it (T29).
    """
    keys = ("language", "plane", "multiplier")
    return frontiers.group_by(keys, maintain_order=True).agg(pl.col("x", "y").mean(), worlds=pl.len().cast(pl.Int64))


def laws(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return where P and S of every world lie: language, seed, world, law, and the coordinates of `PLACES`.

    A law without answers to some prompt of P, or without any that P has, has no number there.
    """
    first = runs.unique("world", keep="first", maintain_order=True).sort("language", "seed", maintain_order=True)
    parts = []
    for law in ("P", "S"):
        own = first.select("run", "language", "seed", "world", law=pl.lit(law))
        for name, (metric, at) in PLACES.items():
            one = study.pick(metric, law, "P(x)", at=at).select("run", pl.col("lower").alias(name))
            own = own.join(one, on="run", how="left", maintain_order="left")
        parts.append(own.drop("run"))
    return pl.concat(parts)
