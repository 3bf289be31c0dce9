"""The atlas: how far every method lies above the exact frontier at equal fit, the nearest first."""

import polars as pl
from matplotlib.figure import Figure

from figures.atlas._methods import languages, legend_of, worlds
from figures.atlas._ranked import COLUMNS, fitting, height, label, names, ordered, panel, reached
from figures.curves import Tables
from figures.labels import head
from figures.language import say
from figures.style import figure

TABLES = ("runs", "methods", "places")

LEVELS = (0.1, 0.03)
"""The fits KL(S‖q) [nat per answer] of the panels. The first one orders the methods."""


def draw(tables: Tables) -> Figure | None:
    """Draw a row for each method: its best strength with an interval, and small marks for the others."""
    found = own(tables)
    if not found.height:
        return None
    order = ordered(found, LEVELS[0])
    rows = fitting(order)
    drawn, panels = figure(height(order), len(LEVELS))
    for axes, level in zip(panels, LEVELS, strict=True):
        panel(axes, found.filter(level=level), rows)
        head(axes, say("At the fit KL(S‖q) = {level:g} nat", level=level))
    names(panels[0], found, order)
    label(panels)
    shown = found.filter(pl.col("method").is_in(rows))
    drawn.legend(*legend_of(shown["family"].to_list()), loc="outside lower center", ncols=COLUMNS)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    found = own(tables)
    return say(
        "The atlas. How much more than necessary each method forgets at equal fit: KL(P‖q) above the least that any "
        "model can have at this KL(S‖q), where the path first gets to it, between two evaluations. Large marks: the "
        "best strength of a method, mean over {worlds} with 95 % intervals; small marks: its other strengths. The "
        "numbers at the right are places: one more than the number of other methods that are surely nearer to the "
        "frontier, so equal numbers are ties; grey rows share the first place, and a dash stands for too few worlds to "
        "compare. No mark: no strength gets to this fit. "
        "{count} methods; the distances are exact for each model, the intervals are estimated.",
        worlds=worlds(tables),
        count=found["method"].n_unique() if found.height else 0,
    )


def own(tables: Tables) -> pl.DataFrame:
    """Return the places in the language with most runs."""
    found = reached(tables, *LEVELS)
    return found.filter(language=languages(tables)[0]) if found.height else found
