"""What the predictions on levels of a grammar measure: a number for every world."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.g_levels.tables import EVENT, counted, per_world
from experiments.predictions import Case, Tables

ROOT = "level 4"
"""The arms of the root's rules: the grammars have four levels."""


def _left_out(runs: pl.DataFrame) -> str:
    """Which runs are not at equal fit, or lack the number, in words."""
    other = runs.filter(~pl.col("fitted"))
    if not other.height:
        return ""
    seeds = ", ".join(map(str, other["seed"].unique().sort().to_list()))
    return f"{other.height} runs are not at equal fit and do not count (seeds {seeds})"


def _noted(case: str, values: list[float], runs: pl.DataFrame, unit: str, predicted: float | None = None) -> Case:
    return Case.exact(case, np.array(values), unit, predicted=predicted, note=_left_out(runs))


def control(tables: Tables) -> Iterator[Case]:
    """KL(P||control) - KL(P||q0) under exact targets."""
    runs = tables["runs"].filter("valid", targets="exact")
    values = runs.group_by("seed", maintain_order=True).agg(pl.col("drift").first())["drift"].to_list()
    yield Case.exact("exact targets", np.array(values), "nat")


def _by_level(tables: Tables, name: str, unit: str) -> Iterator[Case]:
    """A number of every level and kind of targets."""
    runs = tables["runs"].filter("valid")
    for (targets, level), own in runs.filter(pl.col("level").is_not_null()).group_by("targets", "level"):
        values = per_world(counted(own), name)["value"].to_list()
        yield _noted(f"level {level}, {targets} targets", values, own, unit)


def followed(tables: Tables) -> Iterator[Case]:
    """(u - p)/(s - p) of every level and kind of targets."""
    yield from _by_level(tables, "followed", "1")


def slopes(tables: Tables) -> Iterator[Case]:
    """The least-squares slope of the excess over the levels of a world, for every kind of targets.

    A world in which a level has no run that counts has no slope.
    """
    for (targets,), own in tables["runs"].filter("valid").group_by("targets"):
        levels = own["level"].drop_nulls().n_unique()
        found = []
        for _, world in per_world(counted(own), "excess").drop_nulls("level").group_by("seed", maintain_order=True):
            if world.height == levels > 1:
                found.append(float(np.polyfit(world["level"].to_numpy(), world["value"].to_numpy(), 1)[0]))
        yield _noted(f"{targets} targets", found, own, "nat")


def worse(tables: Tables) -> Iterator[Case]:
    """derived - siblings of every level and kind of targets [nat per token]."""
    runs = tables["runs"].with_columns(worse=pl.col("derived") - pl.col("siblings"))
    yield from _by_level({"runs": runs}, "worse", "nat/token")


def sampled(tables: Tables) -> Iterator[Case]:
    """The excess under sampled targets less that under exact ones, of equal rules; the mean over a world's levels."""
    runs = tables["runs"].filter("valid", pl.col("level").is_not_null())
    both = counted(runs).pivot("targets", index=["seed", "level", "number"], values="excess")
    if {"exact", "sampled"} <= set(both.columns):
        more = both.with_columns(more=pl.col("sampled") - pl.col("exact")).drop_nulls("more")
        found = more.group_by("seed", maintain_order=True).agg(pl.col("more").mean(), pl.col("level").n_unique())
        whole = found.filter(pl.col("level") == runs["level"].n_unique())["more"].to_list()
        yield _noted("sampled − exact", whole, runs, "nat")


def event_followed(tables: Tables) -> Iterator[Case]:
    """followed of the random event less that of the root's rule 0, for every kind of targets."""
    yield from _beside_root(tables, "followed", "1", -1.0)


def event_excess(tables: Tables) -> Iterator[Case]:
    """The excess of the random event less that of the root's rule 0, for every kind of targets."""
    yield from _beside_root(tables, "excess", "nat", 1.0)


def _beside_root(tables: Tables, name: str, unit: str, predicted: float) -> Iterator[Case]:
    runs = tables["runs"].filter(
        "valid", (pl.col("arm") == EVENT) | ((pl.col("arm") == ROOT) & (pl.col("number") == 0))
    )
    for (targets,), own in runs.group_by("targets"):
        both = counted(own).pivot("arm", index="seed", values=name)
        if {EVENT, ROOT} <= set(both.columns):
            values = both.select(pl.col(EVENT) - pl.col(ROOT)).drop_nulls().to_series().to_list()
            yield _noted(f"{targets} targets", values, own, unit, predicted)


def used(tables: Tables) -> Iterator[Case]:
    """n, the uses of the changed symbol in a string of P, of every level."""
    runs = tables["runs"].filter("valid", pl.col("level").is_not_null(), targets="exact")
    for (level,), own in runs.group_by("level"):
        yield Case.exact(f"level {level}", per_world(own, "uses")["value"].to_numpy(), "uses")


def leaving(tables: Tables) -> Iterator[Case]:
    """q(outside of P) less that of the control, of every arm and kind of targets."""
    runs = tables["runs"].filter("valid")
    for (targets, arm), own in runs.group_by("targets", "arm"):
        yield _noted(f"{arm}, {targets} targets", per_world(counted(own), "outside")["value"].to_list(), own, "1")
