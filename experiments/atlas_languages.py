"""The atlas in several kinds of language: do methods keep their order, and which ones surely change places?"""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from experiments import atlas
from experiments.atlas.ranking import ERROR, SHARE, compared, logs, matrix, orders
from experiments.atlas.said import RANKED
from experiments.atlas.tables import LEVELS
from experiments.board import short
from experiments.predictions import Tables
from experiments.ranks import rank_correlation
from experiments.statistics import LEVEL
from sim.disk.files import MANIFEST
from sim.disk.folders import finished
from sim.numerics import SpecificationError
from sim.show.blocks import Block, Heading, Paragraph, Table

TOGETHER = True
"""All runs of the folder are reported together."""

NAMES = "atlas"
"""Folders of atlases begin so, see `conf/experiment`."""

FEWEST_WAYS = 3
"""Least number of ways that two languages must share for a rank correlation."""

AGREEMENT = ("level", "language", "other", "ways", "worlds", "other_worlds", "correlation", "lower", "upper")
"""Columns of the table `agreement`."""


def analyse(folder: Path) -> Tables:
    """Return the runs, methods and places of all atlases in a folder, and what compares their languages.

    The atlases are the runs of the folder itself, or else those of its folders named atlas*. agreement: for every pair
    of languages and every fit the rank correlation of the ways (methods with strengths) by their mean log-distance to
    the frontier, with an interval over worlds; exchanged: the pairs of methods that surely change places.
    """
    parts = [atlas.analyse(place) for place in atlases(folder)]
    named_twice = [one for one in _languages(parts) if _languages(parts).count(one) > 1]
    if named_twice:
        raise SpecificationError(
            f"{folder}: one atlas of each language is required, found several of {named_twice[0]!r}; move one elsewhere"
        )
    joined = {name: pl.concat([one[name] for one in parts], how="diagonal_relaxed")
              for name in ("runs", "crossings", "ends", "cells", "places")}  # fmt: skip
    languages = joined["crossings"]["language"].unique(maintain_order=True).to_list()
    kinds = pl.concat([one["methods"] for one in parts]).unique("method", keep="first", maintain_order=True)
    return {
        **joined,
        "methods": kinds,
        "agreement": agreement(joined["crossings"], languages),
        "exchanged": exchanged(joined["crossings"], languages),
    }


def _languages(parts: Sequence[Mapping[str, pl.DataFrame]]) -> list[str]:
    return [one for part in parts for one in part["runs"]["language"].unique(maintain_order=True)]


def atlases(folder: Path) -> list[Path]:
    """Return the folders with the runs of an atlas. Raises SpecificationError if there is none."""
    below = sorted(place for place in folder.glob(f"{NAMES}*") if place.is_dir() and any(place.glob(f"*/{MANIFEST}")))
    if not below:
        finished(folder)  # says what is required if there are no runs either
        return [folder]
    return below


def agreement(crossed: pl.DataFrame, languages: Sequence[str]) -> pl.DataFrame:
    """Return the rank correlations of every pair of languages at every fit, see AGREEMENT.

    A way counts if it reaches the fit in at least three quarters of the worlds of both. The interval is that of the
    jackknife over the worlds of both, with Student's t and the freedom of the smaller number; its part outside of [-1,
    1] is left out. Source: J. Tukey 1958, "Bias and confidence in not-quite large samples"; its coverage for rank
    correlations of means is simulated in the tests.
    """
    rows = []
    for level, (one, other) in itertools.product(LEVELS, itertools.combinations(languages, 2)):
        sides = [matrix(crossed.filter(level=level, language=name)) for name in (one, other)]
        often = [{way for way, values in zip(ways, table.T, strict=True)
                  if np.isfinite(values).sum() >= SHARE * len(table)} for ways, table in sides]  # fmt: skip
        common = [way for way in sides[0][0] if way in often[0] & often[1]]
        if len(common) < FEWEST_WAYS:
            continue
        first, second = (logs(table[:, [ways.index(way) for way in common]]) for ways, table in sides)
        numbers = correlation(first, second)
        rows.append((level, one, other, len(common), len(first), len(second), *numbers))
    kinds = dict.fromkeys(("language", "other"), pl.String) | dict.fromkeys(AGREEMENT[3:6], pl.Int64)
    return pl.DataFrame(rows, schema={name: kinds.get(name, pl.Float64) for name in AGREEMENT}, orient="row")


def correlation(first: np.ndarray, second: np.ndarray) -> tuple[float, float | None, float | None]:
    """Return the rank correlation of mean numbers, and its interval: [W, K] and [V, K], the same K ways in both."""

    def of(one: np.ndarray, other: np.ndarray) -> float:
        return rank_correlation(*(_means(table) for table in (one, other)))

    found, freedom = of(first, second), min(len(first), len(second)) - 1
    if freedom < 1 or not np.isfinite(found):
        return found, None, None
    from scipy.special import stdtrit

    variance = 0.0
    for count, without in (
        (len(first), [of(np.delete(first, at, 0), second) for at in range(len(first))]),
        (len(second), [of(first, np.delete(second, at, 0)) for at in range(len(second))]),
    ):
        variance += (count - 1) / count * float(((np.array(without) - np.mean(without)) ** 2).sum())
    half = float(stdtrit(freedom, 0.5 + LEVEL / 2)) * variance**0.5
    return found, max(-1.0, found - half), min(1.0, found + half)


def _means(table: np.ndarray) -> np.ndarray:
    """Return the means over the worlds in which there is a finite number; +inf where there is none."""
    there = np.isfinite(table)
    total = np.where(there, table, 0.0).sum(axis=0)
    return np.divide(total, there.sum(axis=0), out=np.full(table.shape[1], np.inf), where=there.any(axis=0))


def exchanged(crossed: pl.DataFrame, languages: Sequence[str]) -> pl.DataFrame:
    """Return the pairs of methods of which one is surely nearer in a language, and the other one in another.

    Columns: level, language, other, nearer, farther (in `language`). The orders of all languages are sure together: the
    error of each is ERROR by the number of languages.
    """
    sure = orders(compared(crossed), ERROR / max(1, len(languages)))
    turned = sure.rename({"nearer": "farther", "farther": "nearer", "language": "other"})
    both = sure.join(turned, on=["level", "nearer", "farther"], how="inner", maintain_order="left")
    order = pl.col("language").replace_strict({name: at for at, name in enumerate(languages)}, return_dtype=pl.Int64)
    behind = pl.col("other").replace_strict({name: at for at, name in enumerate(languages)}, return_dtype=pl.Int64)
    return both.filter(order < behind).select("level", "language", "other", "nearer", "farther")


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Report the places of the ways side by side, their rank correlations, and who surely changes places."""
    places = tables["places"].filter(level=RANKED)
    languages = tables["runs"]["language"].unique(maintain_order=True).to_list()
    counts = {name: tables["runs"].filter(language=name, valid=True)["seed"].n_unique() for name in languages}
    ways = places.group_by("method", "strength", maintain_order=True).agg(pl.col("above").mean(), pl.len())
    ways = ways.sort([-pl.col("len").cast(pl.Int64), "above"], maintain_order=True)
    rows = []
    for method, strength in ways.select("method", "strength").iter_rows():
        own = {row["language"]: row for row in places.filter(method=method, strength=strength).iter_rows(named=True)}
        rows.append((method, strength, *(_place(own.get(name)) for name in languages)))
    columns = ("method", "strength", *(f"{name.replace('_', ' ')} ({counts[name]} worlds)" for name in languages))
    correlations = tuple(
        (f"{row['level']:g}", row["language"].replace("_", " "), row["other"].replace("_", " "), str(row["ways"]),
         _between(row))
        for row in tables["agreement"].iter_rows(named=True)
    )  # fmt: skip
    return [
        Heading("Do methods keep their order in other languages?"),
        Table(columns, tuple(rows), 2, f"Place, and distance above the frontier [nat], at KL(S‖q) = {RANKED:g} nats"),
        Table(("KL(S‖q) [nat]", "language", "and", "ways", "rank correlation"), correlations, 3,
              "Order of the ways by their mean log-distance at the same fit"),
        Paragraph(_changes(tables["exchanged"], languages, counts), bullet=True),
        Paragraph(
            "A place is one more than the number of other methods that are surely nearer in this language. Intervals "
            "are 95 % over worlds, by the jackknife; one of no width says that no rank changes if a world is left out. "
            "Worlds of different languages are independent of each other.",
            bullet=True,
        ),
    ]  # fmt: skip


def fewest(languages: int) -> int:
    """Return how many worlds a language must have for any sure order, if those of all languages are sure together.

    The least p-value of a test by sign flips in n worlds is 2^(1 - n), and the error of each language is ERROR by the
    number of languages.
    """
    return 1 + math.ceil(math.log2(languages / ERROR))


def _changes(exchanged: pl.DataFrame, languages: Sequence[str], counts: Mapping[str, int]) -> str:
    """Say which methods surely change places."""
    needed = fewest(len(languages))
    few = [f"{name.replace('_', ' ')} ({counts[name]})" for name in languages if counts[name] < needed]
    said = f" Too few worlds for any sure order: {', '.join(few)}; at least {needed} are needed." if few else ""
    own = exchanged.filter(level=RANKED)
    if len(few) > len(languages) - 2:
        return f"Whether methods change places cannot be said.{said}"
    if own.is_empty():
        return f"No two methods surely change places at KL(S‖q) = {RANKED:g} nats.{said}"
    each = [
        f"{row['nearer']} is nearer than {row['farther']} in {row['language'].replace('_', ' ')}, and farther in "
        f"{row['other'].replace('_', ' ')}"
        for row in own.iter_rows(named=True)
    ]
    return f"Surely change places at KL(S‖q) = {RANKED:g} nats: {'; '.join(each)}.{said}"


def _place(row: Mapping[str, float | None] | None) -> str:
    if row is None or row["above"] is None:
        return "–"
    place = "–" if row["place"] is None else f"{row['place']}"
    low, high = row["above_lower"], row["above_upper"]
    ends = "" if low is None or high is None else f" [{short(low)}, {short(high)}]"
    return f"{place}: {short(row['above'])}{ends}"


def _between(row: Mapping[str, float | None]) -> str:
    value, lower, upper = row["correlation"], row["lower"], row["upper"]
    if value is None or np.isnan(value):
        return "–"
    return short(value) if lower is None or upper is None else f"{short(value)} [{short(lower)}, {short(upper)}]"
