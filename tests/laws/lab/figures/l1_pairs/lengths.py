"""Mass of the longest strings before and after."""

from matplotlib.figure import Figure

from figures.curves import Tables
from figures.language import say
from figures.style import figure

TABLES = ("runs",)


def draw(tables: Tables) -> Figure:
    """A point for each run."""
    drawn, (axes,) = figure(2.5, 1, share=0.5)
    axes.plot(tables["runs"]["before_lower"], tables["runs"]["after_lower"], "o")
    axes.set(xlabel=say("before"), ylabel=say("after"))
    return drawn


def caption(tables: Tables) -> str:
    """What is drawn."""
    return say("Mass of the longest strings in {count} runs, before and after; exact.", count=tables["runs"].height)
