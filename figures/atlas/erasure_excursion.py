"""The atlas: what is erased against the excursion, with cross-entropy at many steps as the control."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.atlas._methods import LOOKS, Spot, ends, legend_of, scatter, spots, worlds
from figures.atlas._placing import name_spots
from figures.colours import GUIDE
from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "methods", "cells")

LINEAR = 0.01
"""The axis of E is logarithmic beyond this value on both sides of 0 [nat]."""

CONTROL = "cross-entropy"


def draw(tables: Tables) -> Figure | None:
    """Draw E against X in the end: cross-entropy as a line from point to point, other methods as points."""
    found = shown(tables)
    if not found:
        return None
    drawn, (axes,) = figure(4.2, 1)
    control = sorted((one for one in found if one.family == CONTROL), key=lambda one: one.x)
    look = LOOKS[CONTROL]
    axes.plot(
        [one.x for one in control], [one.y for one in control], color=look.colour, marker=look.marker,
        markersize=4.0 * factor(), linewidth=factor(),
    )  # fmt: skip
    scatter(axes, found)
    axes.axhline(0.0, color=GUIDE, linewidth=0.7 * factor(), zorder=0)
    axes.set(xscale="log", xlabel=say("excursion $X$ [nat]"), ylabel=say("erased behind the gate, $E$ [nat]"))
    axes.set_yscale("symlog", linthresh=LINEAR, linscale=0.6)
    _ticks(axes, found)
    drawn.legend(*legend_of([one.family for one in found]), loc="outside right center")
    name_spots(axes, found)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    cells, found = ends(tables), shown(tables)
    return say(
        "The atlas. What is erased behind the gate in the end, E, against the excursion X, the largest KL(S‖q) above "
        "that of the optimum after the first step within 0.05 nats of it. The line joins cross-entropy with different "
        "steps, the control: a method on it erases as much as cross-entropy does at the same excursion. Means over "
        "those of {worlds} in which the end is near to the optimum, with 95 % intervals, which are estimated. E is "
        "exact; X is exact but for the rounding of float32. {left} of {count} points are left out: edited models have "
        "no X, and neither have methods that do not come near to a predicted optimum, or X is not above 0. Names stand "
        "where there is room.",
        worlds=worlds(tables),
        left=cells.height - len(found),
        count=cells.height,
    )


def shown(tables: Tables) -> list[Spot]:
    """Return the points with an excursion above 0."""
    cells = ends(tables)
    return [one for one in spots(cells, "x", "e") if one.x > 0.0] if cells.height else []


def _ticks(axes: Axes, found: list[Spot]) -> None:
    """Few ticks with plain numbers on both axes, around the data."""
    x, y = (np.array([getattr(one, name) for one in found]) for name in ("x", "y"))
    places = [one for one in (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
              if x.min() / 2 <= one <= 2 * x.max()]  # fmt: skip
    axes.set_xticks(places, [f"{one:g}" for one in places])
    axes.set_xticks([], minor=True)
    top, bottom = max(float(y.max()), LINEAR), min(float(y.min()), 0.0)
    kept = [one for one in (-1.0, -0.1, -0.01, 0.0, 0.01, 0.1, 1.0, 10.0) if 1.2 * bottom <= one <= 1.2 * top]
    axes.set_yticks(kept, [f"{one:g}".replace("-", "−") for one in kept])
    axes.set_yticks([], minor=True)
    axes.set_ylim(1.2 * bottom - 0.3 * LINEAR, 1.5 * top)
