"""Planes of the atlas: the exact limit as a line, and the ends of all methods as points."""

import math
from collections.abc import Mapping

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from figures.atlas._methods import FRONTIER, Spot, legend_of, main, scatter
from figures.atlas._placing import name_spots
from figures.colours import Look
from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure

TICKS = 6
"""An axis with more ticks than this at 1, 3, 10, ... has them at powers of ten alone."""

TRUTHS = {"P": "s", "S": "D"}
"""Marks of known laws."""

POINTS = 400
"""Number of points of the limit that are drawn."""

ROOM = 0.06
"""Empty share of an axis beyond the outermost points."""


def frontier(tables: Tables, plane: str) -> pl.DataFrame:
    """Return the limit in a plane, mean over worlds at equal multipliers: columns x and y, in order."""
    found = main(tables, "mean_planes")
    return found.filter(plane=plane).sort("multiplier") if found.height else found


def limit(axes: Axes, line: pl.DataFrame) -> tuple[float, float]:
    """Draw the limit between the ends of the horizontal axis, straight between its points.

    Return its least and its largest y.
    """
    low, high = axes.get_xlim()
    log = axes.get_xscale() == "log"
    x = np.geomspace(low, high, POINTS) if log else np.linspace(low, high, POINTS)
    known = line.sort("x")
    inside = (x >= known["x"].to_numpy().min()) & (x <= known["x"].to_numpy().max())
    y = np.interp(x[inside], known["x"].to_numpy(), known["y"].to_numpy())
    style = {"color": FRONTIER.colour, "linestyle": FRONTIER.dashes, "linewidth": 1.2 * factor(), "zorder": 2}
    axes.plot(x[inside], y, label=say("exact frontier"), **style)
    return float(y.min()), float(y.max())


def plane(
    axes: Axes,
    line: pl.DataFrame,
    found: list[Spot],
    log: bool = False,
    laws: Mapping[str, tuple[float, float]] | None = None,
) -> None:
    """Draw the limit, the points, and hollow marks for known laws; show what is near them: the limit goes on beyond."""
    laws = laws or {}
    axes.set_xscale("log" if log else "linear")
    axes.set_xlim(*around([*(one.x for one in found), *(x for x, _ in laws.values())], log))
    ends = limit(axes, line)
    for law, place in laws.items():
        look = Look(FRONTIER.colour, TRUTHS[law])
        axes.plot(*place, label=law, markersize=7.0 * factor(), zorder=4, **look.hollow)
    scatter(axes, found)
    axes.set_ylim(*around([*(one.y for one in found), *ends, *(y for _, y in laws.values())], False))
    if log:
        plain_ticks(axes.xaxis, *axes.get_xlim())


def drawn(
    line: pl.DataFrame,
    found: list[Spot],
    labels: tuple[str, str],
    log: bool = False,
    laws: Mapping[str, tuple[float, float]] | None = None,
) -> Figure | None:
    """Draw a plane alone, with names of points and a legend of kinds; None without points or without a limit."""
    if not found or not line.height:
        return None
    made, (axes,) = figure(4.2, 1)
    plane(axes, line, found, log, laws)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    made.legend(*legend_of([one.family for one in found], axes), loc="outside right center")
    name_spots(axes, found)
    return made


def truths(tables: Tables, x: str, y: str) -> dict[str, tuple[float, float]]:
    """Return where P and S lie, mean over worlds, if all worlds know it."""
    laws, found = main(tables, "laws"), {}
    for law in TRUTHS:
        own = laws.filter(law=law).select(x, y) if laws.height else laws
        if own.height and not own.null_count().sum_horizontal().item():
            found[law] = (float(own[x].to_numpy().mean()), float(own[y].to_numpy().mean()))
    return found


def plain_ticks(axis: Axis, low: float, high: float, most: int = TICKS) -> None:
    """Write plain numbers at 1, 3, 10, ... on a logarithmic axis; at powers of ten alone if these are more than `most`.

    An axis without a power of ten keeps the others.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [step * 10.0**power for power in powers for step in (1.0, 3.0) if low <= step * 10.0**power <= high]
    few = [10.0**power for power in powers if low <= 10.0**power <= high]
    kept = few if few and len(every) > most else every
    axis.set_ticks(kept, labels=[f"{one:g}" if one >= 1e-3 else _power(one) for one in kept])
    axis.set_ticks([], minor=True)


def _power(value: float) -> str:
    """A small number as a power of ten: one as it is, and three of them."""
    power = math.floor(math.log10(value) + 0.1)
    return f"$10^{{{power}}}$" if value < 2.0 * 10.0**power else f"$3\\cdot10^{{{power}}}$"


def around(values: list[float], log: bool) -> tuple[float, float]:
    """Return limits of an axis with some room beyond values; of a logarithmic one if `log`."""
    there = np.array([one for one in values if np.isfinite(one) and (one > 0.0 or not log)], np.float64)
    there = np.log(there) if log else there
    low, high = float(there.min()), float(there.max())
    room = ROOM * (high - low) or 0.5
    ends = low - room, high + room
    return (float(np.exp(ends[0])), float(np.exp(ends[1]))) if log else ends
