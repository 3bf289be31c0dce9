"""C2.6: the crossed race: which quantity foretells which kind of forgetting, as a heat map."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure

from figures.colours import letters_on
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "crossed")

PAPER, INK = "#F4F1EA", "#0B3C5D"

BREAKS = {", N": ",\nN", "greedy ": "greedy\n"}
"""Where the names of columns are broken into two lines."""


def draw(tables: Tables) -> Figure | None:
    """Draw the mean R² of every cell; predicted winners are framed, and the best of a column is bold."""
    found = tables["crossed"]
    if not found.height:
        return None
    means = found.group_by("target", "predictor").agg(pl.col("r2").mean())
    targets = found["target"].unique(maintain_order=True).to_list()
    names = found["predictor"].unique(maintain_order=True).to_list()
    values = {(name, target): r2 for target, name, r2 in means.select("target", "predictor", "r2").rows()}
    grid = np.array([[values.get((name, target), np.nan) for target in targets] for name in names])
    drawn, (axes,) = figure(3.6, 1)
    scale = LinearSegmentedColormap.from_list("paper to ink", [PAPER, INK])
    axes.imshow(grid, cmap=scale, vmin=0.0, vmax=1.0, aspect="auto")
    for (row, column), r2 in np.ndenumerate(grid):
        if np.isfinite(r2):
            _number(axes, row, column, float(r2), to_hex(scale(r2)), bool(r2 == np.nanmax(grid[:, column])))
    for name, target in found.filter("favourite").select("predictor", "target").unique(maintain_order=True).rows():
        _frame(axes, names.index(name), targets.index(target))
    axes.set_xticks(range(len(targets)), [say(_broken(target)) for target in targets])
    axes.set_yticks(range(len(names)), [say(name) for name in names])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(say("What is foretold, on prompts that S never shows"))
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C2.6. The crossed race: R² of a parabola that foretells a kind of forgetting (columns, on "
        "prompts that S never shows) from a quantity that is measured on the prompts of S (rows), over "
        "the runs of a world; means over {seeds}. Frames: the predicted winners. Bold: the best of its "
        "column. A cell with too few runs is empty. The numbers of the runs are exact, except for the "
        "excursion, which has the rounding of float32.",
        seeds=num_seeds(tables["crossed"]),
    )


def _number(axes: Axes, row: int, column: int, value: float, colour: str, best: bool) -> None:
    """Write R² into a cell of a colour."""
    axes.text(
        column, row, f"{value:.3f}".replace("-", "−"), ha="center", va="center", gid=colour, color=letters_on(colour),
        fontweight="bold" if best else "normal", fontsize="small",
    )  # fmt: skip


def _frame(axes: Axes, row: int, column: int) -> None:
    x, y = np.array([-0.46, 0.46, 0.46, -0.46, -0.46]), np.array([-0.44, -0.44, 0.44, 0.44, -0.44])
    axes.plot(column + x, row + y, color="#D55E00", linewidth=1.8 * factor())


def _broken(name: str) -> str:
    for old, new in BREAKS.items():
        name = name.replace(old, new)
    return name
