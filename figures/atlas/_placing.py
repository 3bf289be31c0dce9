"""Names beside points, only where nothing else is drawn."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg

from figures.atlas._methods import LOOKS, Spot
from figures.colours import ink
from figures.style import factor

PLACES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
"""Where a name may stand, seen from its point: horizontally and vertically."""

FAR = (4.5, 9.0)
"""Distances of a name from its point [point], the nearest first; on a slide they are larger."""

DIAGONAL = 0.7
"""Diagonal places are nearer, in each direction."""

ROOM = 2
"""Empty pixels that a name needs around it."""

PAPER = 250
"""Least value of a pixel of empty paper, of 255."""


def name_spots(axes: Axes, spots: Iterable[Spot]) -> int:
    """Write the names of points beside them, in their order, each where nothing is drawn yet; return how many are left.

    It must be called when all else of the figure is drawn: what the paper shows then is what names keep away from.
    """
    drawn = axes.figure.get_figure(root=True)
    drawn.draw_without_rendering()  # the layout is final
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    taken = np.asarray((np.asarray(canvas.buffer_rgba())[::-1, :, :3] < PAPER).any(axis=2))
    return sum(not _name(axes, spot, taken) for spot in spots)


def _name(axes: Axes, spot: Spot, taken: np.ndarray) -> bool:
    """Write one name where there is room, and mark its place as taken; return whether there was room."""
    look: dict[str, Any] = {"fontsize": "small", "color": ink(LOOKS[spot.family].colour)}
    written = axes.annotate(spot.name, (spot.x, spot.y), (0, 0), textcoords="offset points", **look)
    written.set_in_layout(False)
    box, panel = written.get_window_extent(), axes.get_window_extent()
    x, y = axes.transData.transform((spot.x, spot.y))
    pixels = factor() * axes.figure.dpi / 72.0
    for far in FAR:
        for right, up in PLACES:
            shift = far * (1.0 if not right or not up else DIAGONAL)
            left = x + shift * pixels * right - box.width * (0.5, 0.0, 1.0)[right]
            low = y + shift * pixels * up - box.height * (0.5, 0.0, 1.0)[up]
            rows = slice(int(low) - ROOM, int(low + box.height) + ROOM + 2)
            columns = slice(int(left) - ROOM, int(left + box.width) + ROOM + 2)
            inside = panel.x0 <= left and left + box.width <= panel.x1
            inside &= panel.y0 <= low and low + box.height <= panel.y1
            if inside and not taken[rows, columns].any():
                taken[rows, columns] = True
                written.set_position((shift * factor() * right, shift * factor() * up))
                written.set(ha=("center", "left", "right")[right], va=("center", "bottom", "top")[up])
                return True
    written.remove()
    return False
