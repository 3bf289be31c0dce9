"""How figures look on paper and on a slide, and how they are written so that equal tables give equal bytes."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from figures.fonts import families
from figures.glyphs import complete
from figures.language import language, say, speaking
from sim.places import write_whole


@dataclass(frozen=True)
class Medium:
    """A medium for figures: size [inch], letters [point], factor of lines and markers, resolution [dpi], formats.

    height: the height of every figure, or None if each figure has its own.
    """

    width: float
    height: float | None
    letters: float
    factor: float
    dpi: int
    formats: tuple[str, ...]


MEDIA = {
    "paper": Medium(7.0, None, 9.0, 1.0, 200, ("pdf", "svg", "png")),
    "slide": Medium(40 / 3, 7.5, 21.8, 2.0, 144, ("svg", "png")),
}
"""A paper's text is 7 inches wide. A slide is 13.33 by 7.5 inches (16:9), and its small letters have 18 points."""

OUTLINES = 3
"""Type of the fonts in a PDF with Chinese. With type 42, matplotlib 3.11 writes wrong glyphs of Noto Sans CJK."""

_medium: ContextVar[Medium] = ContextVar("medium", default=MEDIA["paper"])

UNDATED = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
"""Metadata without the dates, which would make files differ from one second to the next."""


def settings(medium: Medium) -> dict[str, Any]:
    """Return the settings of matplotlib for a medium."""
    return {
        "axes.labelsize": "medium",
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": "medium",
        "axes.titleweight": "bold",
        "figure.constrained_layout.use": True,
        "figure.dpi": 100,
        "font.family": families(language()),
        "font.size": medium.letters,
        "hatch.linewidth": 0.5 * medium.factor,
        "legend.fontsize": "small",
        "legend.frameon": False,
        "legend.title_fontsize": "small",
        "lines.linewidth": 1.6 * medium.factor,
        "lines.markersize": 3.5 * medium.factor,
        "mathtext.fontset": "dejavusans",
        "pdf.fonttype": 42,
        "savefig.dpi": medium.dpi,
        "text.hinting": "none",  # so that words have the same width in every format as in the layout
        "svg.fonttype": "path",
        "svg.hashsalt": "sft-diversity",
        "xtick.labelsize": "small",
        "ytick.labelsize": "small",
    }


@contextmanager
def styled(medium: str = "paper", language: str = "en") -> Iterator[Medium]:
    """Draw for a medium and in a language within this context. The user's settings of matplotlib have no effect."""
    token = _medium.set(MEDIA[medium])
    try:
        with speaking(language), mpl.rc_context():
            mpl.rcdefaults()
            cast(Any, mpl.rcParams).update(settings(MEDIA[medium]))
            yield MEDIA[medium]
    finally:
        _medium.reset(token)


def is_slide() -> bool:
    """Return whether a slide is drawn."""
    return _medium.get() is MEDIA["slide"]


def factor() -> float:
    """Return the factor by which lines and markers are larger than on paper."""
    return _medium.get().factor


class Drawn(Figure):
    """A figure that a notebook shows even if matplotlib is not set up for notebooks, and that has all its glyphs."""

    def draw(self, renderer: RendererBase) -> None:
        """Draw the figure, see `figures.glyphs.complete`."""
        complete(self)
        super().draw(renderer)

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=120)
        return picture.getvalue()


def figure(
    height: float, num_columns: int, share: float = 1.0, sharey: bool = True, num_rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels, row by row. Panels of a row share the vertical axis unless `sharey` is false.

    height [inch] and share (of the width) are for paper; a slide is always filled.
    """
    medium = _medium.get()
    size = (share * medium.width, height) if medium.height is None else (medium.width, medium.height)
    drawn = Drawn(figsize=size)
    FigureCanvasAgg(drawn)
    return drawn, list(drawn.subplots(num_rows, num_columns, sharey="row" if sharey else "none", squeeze=False).flat)


def has_chinese(drawn: Figure) -> bool:
    """Return whether a figure writes Chinese characters."""
    return any(re.search("[\u2e80-\u9fff]", str(text.get_text())) for text in drawn.findobj(Text))


def save(drawn: Figure, stem: Path) -> list[Path]:
    """Write <stem>.<format> in every format of the medium, without dates, and return the files."""
    drawn.draw_without_rendering()  # the layout is computed once for all formats
    files = []
    fonts = OUTLINES if has_chinese(drawn) else mpl.rcParams["pdf.fonttype"]
    with mpl.rc_context({"figure.constrained_layout.use": False, "pdf.fonttype": fonts}):
        drawn.set_layout_engine(None)  # with "none", every `savefig` would draw twice: once only for a layout
        for extension in _medium.get().formats:
            files.append(stem.with_name(f"{stem.name}.{extension}"))
            picture = io.BytesIO()
            drawn.savefig(picture, format=extension, metadata=UNDATED[extension])
            write_whole(files[-1], picture.getvalue())
    return files


def step_axis(axes: Axes, last: int, label: str | None = None, most: int = 5) -> None:
    """Make the horizontal axis a logarithmic axis of steps that also holds step 0, with at most about `most` ticks."""
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.35)
    decades = [10**power for power in range(9) if 10**power <= last]
    if last > 2 * decades[-1]:
        decades.append(last)
    every = -(-len(decades) // (most - 1))
    axes.xaxis.set_major_locator(FixedLocator([0, *decades[::-1][::every][::-1]]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(0, last)
    axes.set_xlabel(label or say("fine-tuning step"))
