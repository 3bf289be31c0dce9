"""The atlas: the plane of fit and forgetting, with the exact frontier, the paths of a few methods and all ends."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.atlas._methods import FAMILIES, LOOKS, ends, known, legend_of, main, name, spots, worlds
from figures.atlas._placing import name_spots
from figures.atlas._planes import around, frontier, plain_ticks, plane
from figures.atlas._ranked import best
from figures.curves import Tables
from figures.labels import head
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "methods", "paths", "cells", "places", "mean_planes")

PLANE = "fit"

LEVEL = 0.1
"""The fit KL(S‖q) [nat per answer] at which the method of a kind that is nearest to the frontier is its path."""


def draw(tables: Tables) -> Figure | None:
    """Draw the plane with the frontier and all ends, and beside it the distances to the frontier along the paths."""
    cells, line = ends(tables), frontier(tables, PLANE)
    found = spots(cells, "fit", "forgetting", "above") if cells.height else []
    if not found or not line.height:
        return None
    drawn, (left, right) = figure(4.2, 2, sharey=False)
    plane(left, line, found, log=True)
    shown = paths(tables)
    for axes, column in ((left, "forgetting"), (right, "above")):
        for (family,), own in shown.group_by("family", maintain_order=True):
            look = LOOKS[str(family)]
            axes.plot(own["fit"], own[column], linewidth=0.9 * factor(), markersize=1.8 * factor(), **look.line)
    _distances(right, tables, shown)
    for axes, words in ((left, "The plane, with all ends"), (right, "Distance to the frontier of each world")):
        head(axes, say(words))
        axes.set_xlabel(say(r"fit, $\mathrm{KL}(S\Vert q)$ [nat]"))
    left.set_ylabel(say(r"forgetting, $\mathrm{KL}(P\Vert q)$ [nat]"))
    right.set_ylabel(say("forgetting above the frontier [nat]"))
    drawn.legend(*legend_of([one.family for one in found], left), loc="outside lower center", ncols=3)
    name_spots(left, found)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    named = chosen(tables)
    listed = say("; ").join(name(*one) for one in named.select("words", "strength").rows()) if named.height else ""
    return say(
        "The atlas. Fit and forgetting per answer, means over {worlds}. Left: the end of every method at every "
        "strength. No mean lies below the dashed line, the exact frontier, whose points are means over worlds at equal "
        "weights. Lines: mean paths of one method of each kind, the one that is nearest to the frontier at KL(S‖q) = "
        "{level:g} nat ({listed}). Right: how far above the frontier of their world these paths are, and, as points, "
        "every method where it first gets to 0.3, 0.1 and 0.03 nats. Bars at the ends are 95 % intervals of the "
        "distance to the frontier, which are estimated; the numbers of a model and the frontier are exact. Names stand "
        "where there is room.",
        worlds=worlds(tables),
        level=LEVEL,
        listed=listed,
    )


def chosen(tables: Tables) -> pl.DataFrame:
    """Return the method and strength of each kind that is nearest to the frontier at a fit, in the order of kinds."""
    places = main(tables, "places")
    if not places.height:
        return places
    found = best(known(places.filter(pl.col("above").is_finite(), level=LEVEL), tables))
    return _by_kind(found.unique("family", keep="first", maintain_order=True))


def paths(tables: Tables) -> pl.DataFrame:
    """Return the mean path over worlds of the chosen methods: family, step, fit, forgetting, above."""
    named, columns = chosen(tables), ("fit", "forgetting", "above")
    if not named.height:
        return pl.DataFrame(schema={"family": pl.String} | dict.fromkeys(columns, pl.Float64))
    own = main(tables, "paths").filter("valid", phase="sft")
    own = own.join(named.select("method", "strength", "family"), on=("method", "strength"), maintain_order="left")
    return _by_kind(own.group_by("family", "step").agg(pl.col(columns).mean()).sort("step"))


def _by_kind(found: pl.DataFrame) -> pl.DataFrame:
    order = {family: at for at, family in enumerate(FAMILIES)}
    return found.sort(pl.col("family").replace_strict(order, return_dtype=pl.Int64), maintain_order=True)


def _distances(axes: Axes, tables: Tables, shown: pl.DataFrame) -> None:
    """The points where all methods get to the fits of the atlas, and the limits of the panel around them."""
    cells = main(tables, "cells")
    levels = known(cells.filter(pl.col("level").is_not_null()), tables)
    found = [one for one in spots(levels, "level", "above") if one.y > 0.0]
    for family in (one for one in FAMILIES if any(spot.family == one for spot in found)):
        own = [spot for spot in found if spot.family == family]
        axes.plot([one.x for one in own], [one.y for one in own], markersize=2.4 * factor(), **LOOKS[family].points)
    axes.set(xscale="log", yscale="log")
    axes.set_xlim(*around([*shown["fit"], *(one.x for one in found)], True))
    axes.set_ylim(*around([one.y for one in found] or shown["above"].to_list(), True))
    for axis, ends_ in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        plain_ticks(axis, *ends_)
