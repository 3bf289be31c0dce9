"""The atlas: how much of the language ten answers find, against what a model writes outside of it."""

import polars as pl
from matplotlib.figure import Figure

from figures.atlas._methods import Spot, ends, spots, worlds
from figures.atlas._planes import drawn, frontier
from figures.curves import Tables
from figures.language import say

TABLES = ("runs", "methods", "cells", "mean_planes")

PLANE = "coverage_10"


def draw(tables: Tables) -> Figure | None:
    """Draw the limit, and a point for the end of every method at every strength."""
    labels = say("outside of the language, $q(\\bot)$"), say("coverage by 10 answers")
    return drawn(frontier(tables, PLANE), shown(ends(tables)), labels, log=True)


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    cells = ends(tables)
    return say(
        "The atlas. Coverage, the probability that 10 answers of the model hold one that is drawn from P, against the "
        "mass that the model has outside of the language, in the end of every method at every strength. No model lies "
        "above the dashed line: the largest coverage with this mass outside, mean over worlds at equal slopes. {count} "
        "points, means over {worlds}. Bars are 95 % intervals of the distance to the line, which are estimated; the "
        "numbers of a model and the line are exact. Names stand where there is room.",
        count=len(shown(cells)),
        worlds=worlds(tables),
    )


def shown(cells: pl.DataFrame) -> list[Spot]:
    """Return the points with some mass outside of the language; the axis is logarithmic."""
    found = spots(cells, "off", "coverage_10", "below_coverage_10") if cells.height else []
    return [one for one in found if one.x > 0.0]
