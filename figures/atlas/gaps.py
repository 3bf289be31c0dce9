"""The atlas: the part of the change of diversity that is of the objective, and the part that is of learning."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.atlas._methods import Spot, ends, legend_of, main, scatter, spots, worlds
from figures.atlas._placing import name_spots
from figures.colours import GUIDE
from figures.curves import Tables
from figures.labels import head
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "methods", "cells")

UNITS = {"answer": "Losses on whole answers", "token": "Losses on next tokens"}
"""The panels. A loss that has the same optimum in both forms, or of which nobody said the form, is in both."""


def draw(tables: Tables) -> Figure | None:
    """Draw the learning gap against the objective gap, a point for every method at every strength."""
    found = shown(tables)
    if not found:
        return None
    drawn, panels = figure(3.9, len(found), sharey=False)
    for axes, (unit, own) in zip(panels, found.items(), strict=True):
        _panel(axes, own)
        head(axes, say(UNITS[unit]))
    panels[0].set_ylabel(say("learning gap, $H(q) - H(q^*)$ [nat]"))
    every = [one.family for own in found.values() for one in own]
    drawn.legend(*legend_of(every), loc="outside lower center", ncols=3)
    for axes, own in zip(panels, found.values(), strict=True):
        name_spots(axes, own)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    cells = ends(tables)
    drawn = len(spots(cells, "objective_gap", "learning_gap")) if cells.height else 0
    return say(
        "The atlas. Objective gap against learning gap, in the end of every method at every strength that has a "
        "predicted optimum ({shown} of {count}): the entropy of the optimum less that of P, and the entropy of the "
        "model less that of its optimum, per answer. Their sum is the whole change of diversity. Optima of losses on "
        "answers and on tokens are no points of one curve, so they have panels of their own; a loss with one optimum "
        "for both is in both. Means over {worlds} with 95 % intervals, which are estimated. Optima are exact; "
        "entropies of models lie between certified bounds, and their middles are drawn. Names stand where there is "
        "room.",
        shown=drawn,
        count=cells.height,
        worlds=worlds(tables),
    )


def shown(tables: Tables) -> dict[str, list[Spot]]:
    """Return the points of each panel that has any point of its own."""
    cells = ends(tables)
    if not cells.height:
        return {}
    units = main(tables, "runs").unique("method", maintain_order=True).select("method", "unit")
    known = cells.join(units, on="method", how="left", maintain_order="left").with_columns(pl.col("unit").fill_null(""))
    of = {unit: known.filter(pl.col("unit") == unit) for unit in UNITS}
    both = ~pl.col("unit").is_in([unit for unit in UNITS if of[unit].height])
    points = {
        unit: spots(known.filter((pl.col("unit") == unit) | both), "objective_gap", "learning_gap")
        for unit in UNITS if of[unit].height
    }  # fmt: skip
    return {unit: own for unit, own in points.items() if own}


def _panel(axes: Axes, found: list[Spot]) -> None:
    """The points of one unit."""
    scatter(axes, found)
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())  # the lines at 0 are only seen where they are near
    axes.axhline(0.0, color=GUIDE, linewidth=0.7 * factor(), zorder=0)
    axes.axvline(0.0, color=GUIDE, linewidth=0.7 * factor(), zorder=0)
    axes.set_xlabel(say("objective gap, $H(q^*) - H(P)$ [nat]"))
