"""The atlas: the ranking of methods in several kinds of language, side by side."""

import polars as pl
from matplotlib.figure import Figure

from figures.atlas import _methods
from figures.atlas._methods import legend_of, worlds
from figures.atlas._ranked import COLUMNS, fitting, height, label, names, ordered, panel, reached
from figures.curves import Tables
from figures.labels import head
from figures.language import say
from figures.style import figure

TABLES = ("runs", "methods", "places")

LEVEL = 0.1
"""The fit KL(S‖q) [nat per answer]."""

MOST = 3
"""Number of panels that there is room for."""

TICKS = 3
"""Number of ticks that a panel has room for."""

WORDS = {"styles_content": "styles and contents", "english": "templated English", "ngram": "Markov chain"}
"""Kinds of grammar in words; another kind has its own name."""


def draw(tables: Tables) -> Figure | None:
    """Draw a panel for each language, with the methods in the order of the first; None for a single language."""
    shown = _methods.languages(tables)[:MOST]
    found = reached(tables, LEVEL)
    if len(shown) < 2 or not found.height:
        return None
    found = found.filter(pl.col("language").is_in(shown))
    order = ordered(found, LEVEL, shown[0])
    rows = fitting(order)
    drawn, panels = figure(height(order), len(shown))
    for axes, language in zip(panels, shown, strict=True):
        panel(axes, found.filter(language=language), rows, TICKS)
        head(axes, named(language))
    names(panels[0], found, order)
    label(panels)
    visible = found.filter(pl.col("method").is_in(rows))
    drawn.legend(*legend_of(visible["family"].to_list()), loc="outside lower center", ncols=COLUMNS)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    shown = _methods.languages(tables)[:MOST]
    listed = say("; ").join(
        say("{language}: {worlds}", language=named(one), worlds=worlds(tables, one)) for one in shown
    )
    return say(
        "The atlas in several kinds of language ({listed}). How much more than necessary each method forgets at "
        "KL(S‖q) = {level:g} nat, as in the ranking: large marks are the best strength of a method in this language, "
        "with 95 % intervals over its worlds; small marks its other strengths; the numbers at the right are places, "
        "and grey rows share the first one. Methods stand in the order of the first panel. The distances are exact for "
        "each model, the intervals are estimated.",
        listed=listed,
        level=LEVEL,
    )


def named(language: str) -> str:
    """Return a kind of language in words."""
    return say(WORDS.get(language, language.replace("_", " ")))
