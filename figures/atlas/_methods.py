"""Methods of the atlas in figures: what kind each one is, how it looks, what it is called, and where it lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from figures.colours import MARKERS, STYLE_CYCLE, Look
from figures.curves import Tables
from figures.language import say
from figures.style import factor

FAMILIES = {
    "cross-entropy": "cross-entropy, any steps",
    "start": "replay, penalty to the start",
    "flatter": "optimum flatter than S",
    "sharper": "optimum sharper than S",
    "same": "another loss, optimum S",
    "reward": "reward",
    "weights": "weights limited or edited",
    "other": "no predicted optimum",
}
"""The kinds of methods that `experiments.atlas.kinds` tells apart, and their names in a legend."""

LOOKS = {family: Look(colour, marker) for family, colour, marker in zip(FAMILIES, STYLE_CYCLE, MARKERS, strict=True)}
"""Colour and marker of each kind."""

FRONTIER = Look("#000000", "", (0, (3, 2)))
"""The exact limit."""


@dataclass(frozen=True)
class Spot:
    """The mean of a method at one strength over worlds, with its 95 % intervals if there are several worlds."""

    method: str
    family: str
    name: str
    x: float
    y: float
    x_ends: tuple[float, float] | None
    y_ends: tuple[float, float] | None


def known(cells: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """Return cells with the columns `words` and `family` of their methods; what nobody knows is `other`."""
    found = cells.join(tables["methods"], on="method", how="left", maintain_order="left")
    return found.with_columns(
        pl.col("words").fill_null(pl.col("method").str.replace_all("_", " ")), pl.col("family").fill_null("other")
    )


def languages(tables: Tables) -> list[str]:
    """Return the kinds of language, that with most runs first."""
    runs = tables["runs"]
    if not runs.height:
        return []
    return runs.group_by("language", maintain_order=True).len().sort("len", descending=True)["language"].to_list()


def main(tables: Tables, table: str) -> pl.DataFrame:
    """Return the rows of a table that are of the language with most runs."""
    found = tables[table]
    return found.filter(language=languages(tables)[0]) if found.height else found


def ends(tables: Tables) -> pl.DataFrame:
    """Return the means over worlds in the end of every method at every strength, with the kinds of the methods."""
    cells = main(tables, "cells")
    return known(cells.filter(pl.col("level").is_null()), tables) if cells.height else cells


def name(words: str, strength: str) -> str:
    """Return the name of a method at a strength: its words and the values of the strength, such as "GEM 0.7"."""
    values = [part.rpartition(" ")[2] for part in strength.split(", ") if part]
    return " ".join([say(words), *(say(value.replace("_", " ")) for value in values)])


def spots(found: pl.DataFrame, x: str, y: str, distance: str = "") -> list[Spot]:
    """Return the points of methods in a plane of two columns; those that lack a finite number are left out.

    distance: the column with the distance to the frontier. Then the interval of y is that of the distance, around y,
    and x has none: worlds differ in where they lie, and much less in how far from the frontier a method is.
    """
    made = []
    for row in found.iter_rows(named=True):
        if all(row[one] is not None and np.isfinite(row[one]) for one in (x, y)):
            wide = None if distance else _interval(row, x)
            high = _interval(row, distance or y)
            if high is not None and distance:
                half = (row[distance] - high[0], high[1] - row[distance])
                high = row[y] - half[0], row[y] + half[1]
            label = name(row["words"], row["strength"])
            made.append(Spot(row["method"], row["family"], label, row[x], row[y], wide, high))
    return made


def _interval(row: dict[str, Any], column: str) -> tuple[float, float] | None:
    lower, upper = row.get(f"{column}_lower"), row.get(f"{column}_upper")
    return None if lower is None or upper is None else (lower, upper)


def scatter(axes: Axes, found: list[Spot], size: float = 4.0) -> None:
    """Draw points with their intervals, in the colours and marks of their kinds. Strengths of a method are joined."""
    for family in (one for one in FAMILIES if any(spot.family == one for spot in found)):
        look, own = LOOKS[family], [spot for spot in found if spot.family == family]
        thin: dict[str, Any] = {"color": look.colour, "linewidth": 0.7 * factor(), "zorder": 2.5, "alpha": 0.7}
        for spot in own:
            if spot.x_ends:
                axes.hlines(spot.y, *spot.x_ends, **thin)
            if spot.y_ends:
                axes.vlines(spot.x, *spot.y_ends, **thin)
        axes.plot([spot.x for spot in own], [spot.y for spot in own], markersize=size * factor(), zorder=3,
                  **look.points)  # fmt: skip


def legend_of(families: Sequence[str], axes: Axes | None = None) -> tuple[list[Artist], list[str]]:
    """Return the entries of a legend: what has a name in the panel, such as the limit, then kinds in their order."""
    handles, names = axes.get_legend_handles_labels() if axes is not None else ([], [])
    there = [family for family in FAMILIES if family in families]
    marks = [Line2D([], [], **LOOKS[family].points, markersize=4.5 * factor()) for family in there]
    return [*handles, *marks], [*names, *(say(FAMILIES[family]) for family in there)]


def worlds(tables: Tables, language: str | None = None) -> str:
    """Return text such as "6 worlds" for the valid runs of a language; of that with most runs, if none is given."""
    runs = tables["runs"].filter(language=language or languages(tables)[0])
    valid = runs.filter("valid")
    count = (valid if valid.height else runs)["seed"].n_unique()
    return say("{count} world", count=count) if count == 1 else say("{count} worlds", count=count)
