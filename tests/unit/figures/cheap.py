"""A figure that is drawn in an instant."""

from matplotlib.figure import Figure

from figures.curves import Tables
from figures.style import figure

TABLES = ("run",)


def draw(tables: Tables) -> Figure:
    """A line through the seed, and a formula."""
    drawn, (axes,) = figure(1.0, 1)
    axes.plot([0, 1], [0, tables["run"]["seed"][0]], label="$q_0$")
    axes.legend()
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return f"Exact for seed {tables['run']['seed'][0]}."
