"""Names that are written beside the data, so that no legend is needed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import ScaledTranslation

from figures.colours import ink, letters_on

LINE = 1.25
"""Height of a line of text, in heights of its letters."""

SPARE = 1.4
"""How much more room than its box a name in a band must have, since panels shrink when the figure is laid out."""

MIDDLE = 0.2
"""By which share a place at the edge of the panel is worth less than one in the middle."""

PANEL = 0.8
"""Share of the width of its column of panels that a title or a label may take."""

GAP = 1.0
"""From the axes to the names beside them, in heights of letters."""


WORD = re.compile(r"(\s*)([\u4e00-\u9fff][，。：；、）”]*|(?:\$[^$]*\$|\\\$|[^\s$\u4e00-\u9fff])+)")
"""The space before a word, and the word: what no line break divides. Every Chinese character is a word of its own."""


@dataclass(frozen=True)
class Label:
    """A name, the height on the axis that it belongs to, and the colour of what it names.

    start: where on the horizontal axis its line ends; None at the right edge.
    """

    text: str
    height: float
    colour: str
    start: float | None = None


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
    shift = ScaledTranslation(GAP * letters / 72.0, 0.0, axes.figure.get_figure(root=True).dpi_scale_trans)
    line: dict[str, Any] = {"arrowstyle": "-", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0, "relpos": (0.0, 0.5)}
    for label, at, end in zip(there, placed, wanted, strict=True):
        begin = (1.0, end) if label.start is None else (label.start, label.height)
        axes.annotate(
            label.text, begin, (1.0, at), "axes fraction" if label.start is None else "data", axes.transAxes + shift,
            va="center", fontsize=size, color=ink(label.colour), arrowprops={**line, "color": label.colour},
            annotation_clip=False,
        )  # fmt: skip


def head(axes: Axes, words: str, **rest: Any) -> None:
    """Write a title over a panel, in as many lines as it takes not to reach over the next panel."""
    _break(axes, axes.set_title("", **rest), words)


def below(axes: Axes, words: str) -> None:
    """Write the label of the horizontal axis, in as many lines as it takes not to reach under the next panel."""
    axes.set_xlabel("")
    _break(axes, axes.xaxis.label, words)


def _break(axes: Axes, text: Text, words: str) -> None:
    """Break words into lines between words, and not within formulas, so that each fits its panel."""
    place = axes.get_subplotspec()
    columns = 1 if place is None else place.get_gridspec().ncols
    lines = [""]
    for space, word in WORD.findall(words):
        longer = lines[-1] + (space and " ") + word
        text.set_text(longer)
        if lines[-1] and text.get_window_extent().width > PANEL * axes.figure.bbox.width / columns:
            lines.append(word)
        else:
            lines[-1] = longer
    text.set_text("\n".join(line.strip() for line in lines))


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


def within(
    axes: Axes, text: str, steps: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, **rest: Any
) -> bool:
    """Write a name into a coloured band between two curves, where it has most room; False where it has none.

    It is to be called when the limits of the axes are final. The id of the text keeps the colour that it is written on,
    so that the contrast can be checked.
    """
    written = axes.text(0.0, 0.0, text, transform=axes.transAxes, va="center", ha="center", gid=colour)
    written.set(color=letters_on(colour), fontweight="bold", **rest)
    box, panel = written.get_window_extent(), axes.get_window_extent()
    wide, high_enough = SPARE * box.width / panel.width, SPARE * box.height / panel.height
    at = (axes.transData.transform(np.stack([steps, low], 1)) - panel.p0) / panel.size
    top = (axes.transData.transform(np.stack([steps, high], 1))[:, 1] - panel.y0) / panel.height
    best, place = high_enough, None
    for middle in np.linspace(wide / 2, 1.0 - wide / 2, 41) if wide < 1.0 else ():
        under = np.linspace(middle - wide / 2, middle + wide / 2, 21)
        floor, ceiling = np.interp(under, at[:, 0], at[:, 1]).max(), np.interp(under, at[:, 0], top).min()
        room = (ceiling - floor) * (1.0 - MIDDLE * abs(middle - 0.5))
        if room >= best:
            best, place = room, (float(middle), float(floor + ceiling) / 2)
    if place is None:
        written.remove()
        return False
    written.set_position(place)
    return True


def _fraction(axes: Axes, height: float) -> float:
    """Return the position of a value on the vertical axis, from 0 (bottom) to 1 (top)."""
    low, high = (float(axes.transScale.transform((1.0, one))[1]) for one in axes.get_ylim())
    return min(max((float(axes.transScale.transform((1.0, height))[1]) - low) / (high - low), 0.0), 1.0)
