"""The atlas: the entropy of every model against how unlikely its answers are, below the exact limit."""

from matplotlib.figure import Figure

from figures.atlas._methods import ends, spots, worlds
from figures.atlas._planes import drawn, frontier, truths
from figures.curves import Tables
from figures.language import say

TABLES = ("runs", "methods", "cells", "mean_planes", "laws")

PLANE = "validity"


def draw(tables: Tables) -> Figure | None:
    """Draw the limit, and a point for the end of every method at every strength."""
    cells = ends(tables)
    found = spots(cells, "surprisal", "h_on", "below_entropy") if cells.height else []
    labels = say("how unlikely the answers are, $E_q[-\\log P]$ [nat]"), say("entropy on the support, $H(q)$ [nat]")
    return drawn(frontier(tables, PLANE), found, labels, laws=truths(tables, "surprisal", "h_on"))


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    cells = ends(tables)
    return say(
        "The atlas. Entropy of the model's answers against their mean surprisal under P, both given that the answer is "
        "in the language, in the end of every method at every strength; hollow: P and S. No law lies above the dashed "
        "line: the largest entropy at each surprisal, which P reaches at another temperature of whole answers; mean "
        "over worlds at equal temperature. What lies below the line is diversity that is lost without need. {count} "
        "points, means over {worlds}. Bars are 95 % intervals of the distance to the line, which are estimated; the "
        "numbers of a model and the line are exact. Names stand where there is room.",
        count=len(spots(cells, "surprisal", "h_on")) if cells.height else 0,
        worlds=worlds(tables),
    )
