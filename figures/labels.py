"""Names that are written beside the data, so that no legend is needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text

from figures.colours import ink, letters_on

LINE = 1.25
"""Height of a line of text, in heights of its letters."""


@dataclass(frozen=True)
class Label:
    """A name, the height on the axis that it belongs to, and the colour of what it names."""

    text: str
    height: float
    colour: str


def beside(axes: Axes, labels: Sequence[Label], size: str = "small") -> None:
    """Write names at the right of the axes at the heights of their lines. Names that would overlap are moved apart.

    It must be called after the limits of the axes are final.
    """
    there = [label for label in labels if np.isfinite(label.height)]
    wanted = [_fraction(axes, label.height) for label in there]
    sizes = [LINE * (1 + label.text.count("\n")) for label in there]
    letters = float(Text(size=size).get_fontsize())
    panel = axes.get_position().height * axes.figure.get_figure(root=True).get_figheight() * 72.0  # points
    placed = spread(wanted, [one * letters / panel for one in sizes])
    for label, at, end in zip(there, placed, wanted, strict=True):
        arrow: dict[str, Any] = {"arrowstyle": "-", "color": label.colour, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
        axes.annotate(
            label.text, (1.0, end), (1.04, at), "axes fraction", "axes fraction", va="center", fontsize=size,
            color=ink(label.colour), arrowprops=arrow, annotation_clip=False,
        )  # fmt: skip


def spread(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Return middles of blocks with these heights, near the wanted middles, without overlap and between 0 and 1.

    The order of the blocks is kept. Blocks that would overlap are stacked around the mean of their middles.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    groups: list[tuple[list[int], float, float]] = []  # members, middle of the group, height
    for index in order:
        group = ([index], _inside(wanted[index], heights[index]), heights[index])
        while groups and groups[-1][1] + groups[-1][2] / 2 > group[1] - group[2] / 2:
            members, middle, height = groups.pop()
            count, added = len(members), len(group[0])
            middle = (count * middle + added * group[1]) / (count + added)
            group = (members + group[0], _inside(middle, height + group[2]), height + group[2])
        groups.append(group)
    found = [0.0] * len(wanted)
    for members, middle, height in groups:
        at = middle - height / 2
        for index in members:
            found[index] = at + heights[index] / 2
            at += heights[index]
    return found


def _inside(middle: float, height: float) -> float:
    return max(min(middle, 1.0 - height / 2), height / 2)


def within(axes: Axes, text: str, place: tuple[float, float], colour: str, **rest: Any) -> None:
    """Write on a coloured area; the id of the text keeps that colour, so that the contrast can be checked."""
    axes.annotate(text, place, va="center", color=letters_on(colour), gid=colour, **rest)


def _fraction(axes: Axes, height: float) -> float:
    """Return the position of a value on the vertical axis, from 0 (bottom) to 1 (top)."""
    low, high = (float(axes.transScale.transform((1.0, one))[1]) for one in axes.get_ylim())
    return min(max((float(axes.transScale.transform((1.0, height))[1]) - low) / (high - low), 0.0), 1.0)
