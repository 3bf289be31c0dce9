"""A figure that belongs to every run."""

from matplotlib.figure import Figure

from figures.curves import Tables
from figures.language import say
from figures.style import figure

TABLES = ("metrics", "run")


def draw(tables: Tables) -> Figure:
    """The mass of the longest strings over the steps."""
    found = tables["metrics"].filter(metric="long_mass", phase="sft", view="joint", of="q")
    drawn, (axes,) = figure(2.5, 1, share=0.5)
    axes.plot(found["step"], found["lower"])
    axes.set(xlabel=say("step"), ylabel=say("mass of the longest strings"))
    return drawn


def caption(tables: Tables) -> str:
    """What is drawn."""
    del tables
    return say("Mass of the longest strings over the fine-tuning, exact.")
