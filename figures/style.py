"""How every figure looks, and how it is written so that the same table gives the same bytes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

DISTRIBUTIONS = {"P": "#000000", "S": "#009E73", "q0": "#56B4E9", "q": "#D55E00", "control": "#7A7A7A"}
"""Truths are drawn dashed, models solid."""

PARTS = {
    "conditioning": "#0072B2",
    "narrowing": "#56B4E9",
    "objective": "#CC79A7",
    "learning": "#E69F00",
    "gate": "#0072B2",
    "kept": "#B0B0B0",
    "erasure": "#E69F00",
}

STYLE_CYCLE = ("#0072B2", "#CC79A7", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#F0E442", "#7A7A7A")
"""Okabe and Ito's colours, told apart by readers with any colour vision."""

PALE = "#E3E3E3"
WIDTH = 7.0
"""Inches: the text width of a paper; at this size the letters are 9 points, and readable on a slide."""

RC = {
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",  # ships with matplotlib, so that every machine draws the same
    "font.size": 9,
    "hatch.linewidth": 0.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    "svg.hashsalt": "sft-diversity",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}

UNDATED = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
"""Metadata that would differ from one second to the next."""


@contextmanager
def styled(changes: Mapping[str, Any] = MappingProxyType({})) -> Iterator[None]:
    """The style, for the time of drawing; a user's own settings have no say in it."""
    with mpl.rc_context():
        mpl.rcdefaults()
        cast(Any, mpl.rcParams).update({**RC, **changes})
        yield


def figure(
    height: float, num_columns: int, width: float = WIDTH, sharey: bool = True, num_rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """Rows of panels, row by row, with a common vertical axis in a row unless each has its own; sizes in inches."""
    drawn = Figure(figsize=(width, height))
    FigureCanvasAgg(drawn)
    return drawn, list(drawn.subplots(num_rows, num_columns, sharey="row" if sharey else "none", squeeze=False).flat)


def save(drawn: Figure, stem: Path) -> list[Path]:
    """<stem>.pdf, .svg and .png, without dates."""
    drawn.draw_without_rendering()
    drawn.set_layout_engine("none")  # laid out once for all formats
    files = []
    for extension, metadata in UNDATED.items():
        files.append(stem.with_name(f"{stem.name}.{extension}"))
        drawn.savefig(files[-1], metadata=metadata)
    return files


def style_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour per style, by its place in the world's order."""
    return {name: STYLE_CYCLE[index % len(STYLE_CYCLE)] for index, name in enumerate(names)}


def step_axis(axes: Axes, last: int) -> None:
    """Steps on a logarithmic axis that also holds step 0."""
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.35)
    decades = [10**power for power in range(9) if 10**power <= last]
    if last > 2 * decades[-1]:
        decades.append(last)
    axes.xaxis.set_major_locator(FixedLocator([0, *decades]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(0, last)
    axes.set_xlabel("fine-tuning step")
