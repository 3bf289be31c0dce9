"""Rows of methods by how far they lie above the exact frontier, for the rankings of one and of several languages."""

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes

from figures.atlas._methods import FAMILIES, LOOKS, known
from figures.atlas._planes import TICKS, plain_ticks
from figures.colours import PALE
from figures.curves import Tables
from figures.language import say
from figures.style import factor, is_slide

ROWS = {"paper": 60, "slide": 16}
"""How many methods can be read below one another."""

COLUMNS = 3
"""Columns of the legend that a slide has room for."""

PITCH, REST = 0.145, 1.6
"""Height of a row, and of what is above and below the rows on paper, with the mark of invalid runs [inch]."""


def reached(tables: Tables, *levels: float) -> pl.DataFrame:
    """Return the places at some fits, of all languages, with the kinds of the methods."""
    places = tables["places"]
    if not places.height:
        return places
    return known(places, tables).filter(pl.col("level").is_in(levels), pl.col("above").is_finite())


def fitting(order: list[str]) -> list[str]:
    """Return the methods that there is room for."""
    return order[: ROWS["slide" if is_slide() else "paper"]]


def height(order: list[str]) -> float:
    """Return the height of a figure with a row for each method, and one for those that there is no room for [inch]."""
    rows = fitting(order)
    return REST + PITCH * (len(rows) + (len(rows) < len(order)))


def names(axes: Axes, found: pl.DataFrame, order: list[str]) -> None:
    """Write the names of the methods beside their rows, and how many are left out."""
    rows, words = fitting(order), dict(found.select("method", "words").iter_rows())
    ticks = [say(words[method]) for method in rows]
    if len(rows) < len(order):
        ticks.append(say("and {count} more", count=len(order) - len(rows)))
    axes.set_yticks(range(len(ticks)), ticks)
    axes.set_ylim(len(ticks) - 0.4, -0.6)


def best(found: pl.DataFrame) -> pl.DataFrame:
    """Return the best strength of every method, the nearest first: that with the least mean among those with places.

    Strengths that get to the fit in too few worlds have no place; one of them stands for a method that has no other.
    """
    unplaced = pl.col("place").is_null()
    return found.sort(unplaced, "above", "method").unique("method", keep="first", maintain_order=True)


def ordered(found: pl.DataFrame, level: float, language: str | None = None) -> list[str]:
    """Return the methods by their best strength at one fit, in one language if it is given.

    Those that do not get there, or only elsewhere, come last.
    """
    first = found.filter(level=level, **({} if language is None else {"language": language}))
    return list(dict.fromkeys([*best(first)["method"], *best(found)["method"]]))


def panel(axes: Axes, found: pl.DataFrame, rows: list[str], most: int = TICKS) -> None:
    """The rows of one fit, with at most so many ticks that are no powers of ten."""
    axes.set_xscale("log" if not found.height or (found["above"] > 0.0).all() else "symlog")
    own = found.filter(pl.col("method").is_in(rows))
    chosen = best(own)
    for family in (one for one in FAMILIES if one in own["family"]):
        look = LOOKS[family]
        every, main = own.filter(family=family), chosen.filter(family=family)
        heights = [rows.index(method) for method in every["method"]]
        axes.plot(every["above"], heights, markersize=2.0 * factor(), alpha=0.7, **look.points)
        heights = [rows.index(method) for method in main["method"]]
        lengths = _ends(main, "lower"), _ends(main, "upper")
        axes.hlines(heights, *lengths, color=look.colour, linewidth=1.2 * factor())
        axes.plot(main["above"], heights, markersize=4.5 * factor(), **look.points)
    for method, place in chosen.select("method", "place").iter_rows():
        if place == 1:
            axes.axhspan(rows.index(method) - 0.5, rows.index(method) + 0.5, color=PALE, zorder=0, linewidth=0)
        axes.annotate(
            "–" if place is None else str(place), (1.0, rows.index(method)), (3, 0), ("axes fraction", "data"),
            "offset points", va="center", fontsize="small",
        )  # fmt: skip
    if axes.get_xscale() == "log":
        plain_ticks(axes.xaxis, *axes.get_xlim(), most)
    axes.tick_params(axis="y", length=0)


def label(panels: Sequence[Axes]) -> None:
    """Name the horizontal axes: one name in the middle stands for three panels, which have no room for each."""
    for axes in panels if len(panels) < 3 else panels[1:2]:
        axes.set_xlabel(say("forgetting above the frontier [nat]"))


def _ends(found: pl.DataFrame, end: str) -> list[float]:
    """The ends of intervals; the mean itself where there is none."""
    return found.select(pl.coalesce(f"above_{end}", "above")).to_series().to_list()
