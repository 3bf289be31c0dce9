"""Small charts for notebooks, in the style of the project's figures, in which a bounded number is a band."""

import importlib
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 2.8
"""The height of a chart [inch]."""


def chart(
    *titles: str, x: str = "fine-tuning step", y: str = "", last_step: int | None = None, sharey: bool = True
) -> "tuple[Figure, Any]":
    """Return a figure and its panels, one for each title: one panel by itself, several as a list.

    x, y: labels with their units; last_step: the last step of an axis of steps, which is logarithmic and holds step 0;
    sharey: whether all panels have the same vertical axis, which only panels of one quantity should.
    A notebook shows the figure if it is the last expression of a cell.
    """
    style = importlib.import_module("figures.style")  # by name, like every member: sim does not depend on figures
    with style.styled():
        figure, panels = style.figure(HEIGHT, len(titles), share=0.6 if len(titles) == 1 else 1.0, sharey=sharey)
        for axes, title in zip(panels, titles, strict=True):
            axes.set(title=title, xlabel=x)
            if last_step is not None:
                style.step_axis(axes, last_step, x)
        panels[0].set_ylabel(y)
    return figure, panels[0] if len(panels) == 1 else panels


def line(axes: "Axes", numbers: pl.DataFrame, label: str, index: int = 0, truth: bool = False) -> None:
    """Draw the columns lower and upper over step, as `path` returns them: a line, or a band where they differ.

    index: the place of its colour and marker; truth: whether the number is a truth, which is dashed, without markers,
    and drawn across the panel if it has one row only.
    """
    look = importlib.import_module("figures.colours").look(index)
    drawn: dict[str, Any] = {"color": look.colour, "markersize": 3.5, "linewidth": 1.4}
    drawn |= {"linestyle": (0, (4, 2))} if truth else {"marker": look.marker}
    lower, upper = numbers["lower"].to_numpy(), numbers["upper"].to_numpy()
    if truth and numbers.height == 1:
        axes.axhline(lower[0], color=look.colour, linestyle=(0, (4, 2)), linewidth=1.4, label=label)
        return
    axes.plot(numbers["step"], lower, label=label, **drawn)
    if (upper > lower).any():
        axes.plot(numbers["step"], upper, **drawn)
        axes.fill_between(numbers["step"], lower, upper, color=look.colour, alpha=0.3)
