"""What a reader sees of a figure: the texts that are really drawn, lines, areas, and what lies behind the letters."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from unittest import mock

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from figures.colours import ink


@dataclass(frozen=True, eq=False)
class Seen:
    """A text that is drawn: where [pixel], and the shares of the colours behind it."""

    text: Text
    box: Bbox

    @property
    def words(self) -> str:
        """What it says."""
        return self.text.get_text()

    @property
    def colour(self) -> str:
        """The colour of its letters."""
        return to_hex(self.text.get_color())


def texts(drawn: Figure) -> list[Seen]:
    """Every text that is drawn; ticks out of the view and invisible panels are not."""
    found: list[Text] = []
    plain = Text.draw

    def draw(text, renderer, *rest, **more):
        found.append(text)
        return plain(text, renderer, *rest, **more)

    with mock.patch.object(Text, "draw", draw):
        drawn.draw_without_rendering()
    drawn.set_layout_engine("none")  # everything is where it will be
    seen = [text for text in found if text.get_visible() and text.get_text().strip()]
    return [Seen(text, Text.get_window_extent(text)) for text in seen]  # that of an annotation holds its arrow


def behind(drawn: Figure, seen: list[Seen]) -> list[np.ndarray]:
    """What lies behind every text: colours of the pixels of its box, float64[pixels, 3]."""
    with mock.patch.object(Text, "draw", return_value=None):
        canvas = FigureCanvasAgg(drawn)
        canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255.0
    rows, columns = picture.shape[:2]
    found = []
    for one in seen:
        left, right = (int(np.clip(round(x), 0, columns)) for x in (one.box.x0, one.box.x1))
        bottom, top = (int(np.clip(round(y), 0, rows)) for y in (one.box.y0, one.box.y1))
        found.append(picture[bottom:top, left:right].reshape(-1, 3))
    return found


def without_mathtext(words: str) -> str:
    """A text without its formulas."""
    return re.sub(r"\$[^$]*\$", "", words)


def overlapping(seen: list[Seen], tolerance: float = 1.0) -> Iterator[tuple[str, str]]:
    """Pairs of texts whose boxes overlap by more than `tolerance` pixels in both directions."""
    for place, one in enumerate(seen):
        for other in seen[:place]:
            wide = min(one.box.x1, other.box.x1) - max(one.box.x0, other.box.x0)
            high = min(one.box.y1, other.box.y1) - max(one.box.y0, other.box.y0)
            if min(wide, high) > tolerance:
                yield one.words, other.words


# -- marks ------------------------------------------------------------------------------------------------------------


def mark(artist: Artist) -> tuple[str, ...]:
    """What tells an artist apart without its colour: marker and dashes of a line, the hatch of an area."""
    if isinstance(artist, Line2D):
        marker = str(artist.get_marker()) + str(artist.get_markerfacecolor() == "none") * bool(artist.get_marker())
        return "line", marker, str(artist._dash_pattern[1])
    if isinstance(artist, Patch | Collection):
        return "area", artist.get_hatch() or ""
    raise TypeError(f"a line or an area is required, found {artist!r}")


def first(handle: Artist | Container) -> Artist:
    """The artist that stands for the entry of a legend."""
    while isinstance(handle, tuple):  # as containers are
        handle = next(one for one in handle if one is not None)
    return handle


def entries(drawn: Figure) -> Iterator[dict[str, Artist]]:
    """The entries of every legend: its words, and what stands for them in the panels."""
    for axes in drawn.axes:
        handles, labels = axes.get_legend_handles_labels()
        if labels and axes.get_visible():
            yield dict(zip(labels, map(first, handles), strict=True))


def lines(axes: Axes) -> list[Line2D]:
    """The lines and clouds of points that can be seen."""
    return [
        line for line in axes.lines if line.get_linestyle() != "None" or line.get_marker() not in ("", "None", None)
    ]


def areas(axes: Axes) -> dict[str, Artist]:
    """The filled areas by colour; one for each colour."""
    patches = [one for one in axes.patches if not isinstance(one, FancyArrowPatch) and one.get_fill()]
    bands = [one for one in axes.collections if isinstance(one, PolyCollection)]
    found: dict[str, Artist] = {}
    for one in (*patches, *bands):
        colours = [one.get_facecolor()] if isinstance(one, Patch) else list(one.get_facecolor())
        for colour in colours:
            found.setdefault(to_hex(colour), one)
    return found


def named_colours(axes: Axes, seen: list[Seen]) -> set[str]:
    """Colours that are named where they are: by a text on them or of their colour, or by a line of theirs."""
    named = {to_hex(line.get_color()) for line in lines(axes)}
    for one in seen:
        if one.text.axes is axes:
            named |= {one.colour, str(one.text.get_gid()).lower()}
    return named


def is_named(colour: str, named: set[str]) -> bool:
    """Whether a colour, or the ink that is made of it, is among those named."""
    return bool({colour, ink(colour)} & named)
