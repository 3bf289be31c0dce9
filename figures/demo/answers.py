"""The likeliest answers to the most frequent prompts, in words, with their probabilities before and after."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS
from figures.curves import Tables
from figures.language import say
from figures.style import figure
from figures.words import data, has_prompts, method, percent, plain
from sim.show.width import shortened

TABLES = ("examples", "phases", "run")

NUM_PROMPTS, LONGEST = 2, 34
"""Numbers of prompts, and of cells of a terminal that an answer may be wide; a Chinese character is two cells wide."""

BAR = 0.38
"""Height of a bar, in distances of answers."""

LOOKS = {"q₀": ("before", "q0", "///"), "q": ("after", "q", "")}
"""For each column of the table: the name of its bars, the distribution that gives their colour, and their hatch."""


def draw(tables: Tables) -> Figure:
    """Draw a panel for each prompt, one above the other: a pair of bars for every answer."""
    shown = [part for _, part in tables["examples"].group_by("prompt", maintain_order=True)][:NUM_PROMPTS]
    rows = [part.height for part in shown]
    drawn, panels = figure(0.7 + 0.36 * (sum(rows) + len(rows)), 1, num_rows=len(shown))
    if (grid := panels[0].get_gridspec()) is not None:
        grid.set_height_ratios(rows)  # so that bars are equally high in all panels
    farthest = max(float(part[column].to_numpy().max()) for part in shown for column in LOOKS)
    for axes, part in zip(panels, shown, strict=True):
        _panel(axes, part)
        axes.set_xlim(0.0, 1.2 * farthest)
        title = str(part["prompt"][0]) or say("Most likely strings")
        axes.set_title(plain(shortened(title, 2 * LONGEST)))
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    panels[0].legend(loc="lower right")
    one = "answer, given the prompt" if has_prompts(tables) else "string"
    panels[-1].set_xlabel(say(f"probability of the {one}"))
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    kind = "answers to the most frequent prompts" if has_prompts(tables) else "strings"
    return say(
        "The likeliest {kind}: those that the model preferred before {method}, and those that it prefers after it, "
        "with the style of each. Probabilities are exact. {data}.",
        kind=kind,
        method=method(tables),
        data=data(tables),
    )


def _panel(axes: Axes, part: pl.DataFrame) -> None:
    places = np.arange(part.height)
    for (column, (name, look, hatch)), shift in zip(LOOKS.items(), (-BAR / 2, BAR / 2), strict=True):
        values = part[column].to_numpy()
        axes.barh(
            places + shift, values, BAR, color=DISTRIBUTIONS[look].colour, hatch=hatch, edgecolor="white",
            linewidth=0, label=say(name),
        )  # fmt: skip
        for place, value in zip(places + shift, values, strict=True):
            axes.annotate(
                percent(float(value)), (float(value), float(place)), (3, 0), textcoords="offset points", va="center",
                fontsize="small",
            )  # fmt: skip
    axes.set_yticks(places, [_named(row) for row in part.iter_rows(named=True)])
    axes.set_ylim(part.height - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _named(row: dict[str, str]) -> str:
    answer = plain(shortened(row["answer"], LONGEST))
    return say("{answer}  ({style})", answer=answer, style=row["style"]) if row["style"] else answer
