"""C3.3: the dial of memorisation against the size of the data, and how well the dial describes the model."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from figures.c3_answers.entropy import numbers
from figures.colours import GUIDE, MARKERS, look
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "paths")

SHARES = {0.016: "1.6 %", 0.04: "4 %", 0.1: "10 %", 1.0: "all"}
"""Shares of the steps at which ρ̂ is drawn, and their names."""


APART = 0.05
"""Curves that differ by more than this in ρ̂ do not count as one."""


def draw(tables: Tables) -> Figure | None:
    """Draw ρ̂ against bits of data per parameter, and the residual of the dial against ρ̂."""
    paths = _paths(tables)
    if not paths.height:
        return None
    drawn, panels = figure(4.0, 2, sharey=False)
    widths = sorted(paths["width"].unique().to_list())
    for place, (share, name) in enumerate(SHARES.items()):
        for number, width in enumerate(widths):
            cell = _at(paths.filter(width=width), share).group_by("m").agg(pl.col("bits", "rho").mean()).sort("m")
            label = say("{name} of the steps", name=name) if number == 0 else None
            panels[0].plot(cell["bits"], cell["rho"], **{**look(place).line, "marker": MARKERS[number]}, label=label)
    panels[0].set_xscale("log")
    panels[0].xaxis.set_minor_formatter(NullFormatter())
    panels[0].set(
        title=say("All cells on one axis"),
        xlabel=say("bits of data per parameter"),
        ylabel=say(r"memorisation, $\hat\rho$"),
    )
    wide = paths.filter(pl.col("width") == widths[-1], pl.col("step") > 0)
    for place, m in enumerate(numbers(wide)):
        mean = wide.filter(m=m).group_by("step").agg(pl.col("rho", "residual").mean()).sort("step")
        panels[1].plot(mean["rho"], mean["residual"], label=f"$m = {m}$", **look(place).line)
    panels[1].axhline(0.1, color=GUIDE, linewidth=0.8 * factor(), linestyle=":")
    panels[1].set(
        title=say("What the dial leaves out"), xlabel=say(r"memorisation, $\hat\rho$"), ylabel=say("residual")
    )
    for axes in panels:
        axes.legend(loc="upper center", bbox_to_anchor=(0.46, -0.16), ncols=2, handlelength=2.6, columnspacing=1.0)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    paths = _paths(tables)
    widths = sorted(paths["width"].unique().to_list())
    named = zip(("circles: width {width}", "squares: width {width}"), widths, strict=False)
    marks = say("; ").join(say(mark, width=width) for mark, width in named)
    spread = _spread(paths)
    return say(
        "C3.3. Left: the dial of memorisation against the information in the data, n·m·H(P) in bits, per "
        "parameter of the model, at four times; {marks}; means over up to {seeds}. If this ratio decided, "
        "widths would lie on one curve for each time; at 10 % of the steps they differ by up to "
        "{spread:.2f} in ρ̂{so}. Right: the share of the squared movement that is not along Ŝ − P; "
        "below the dotted line the dial describes the model. ρ̂ is exact; residuals are middles of "
        "certified bounds.",
        marks=marks,
        seeds=num_seeds(paths),
        spread=spread,
        so=say(", so they do not") if spread > APART else "",
    )


def _paths(tables: Tables) -> pl.DataFrame:
    paths, runs = tables["paths"], tables["runs"]
    if not paths.height:
        return paths
    cells = paths.filter(pl.col("part").str.starts_with("cells"))
    valid = cells.filter("valid")
    cells = valid if valid.height else cells
    cells = cells.join(runs.select("run", "bits"), on="run", maintain_order="left").filter(pl.col("bits").is_not_null())
    return cells.filter(pl.col("rate") == pl.col("rate").max())


def _at(paths: pl.DataFrame, share: float) -> pl.DataFrame:
    """Return the evaluation of every run that lies nearest to a share of its steps, on a logarithmic axis."""
    apart = ((pl.col("step") / pl.col("num_steps")).log() - np.log(share)).abs()
    return (
        paths.filter(pl.col("step") > 0).sort(apart, maintain_order=True).group_by("run", maintain_order=True).first()
    )


def _spread(paths: pl.DataFrame) -> float:
    """Return the largest difference of the mean ρ̂ between widths at equal bits, at a tenth of the steps."""
    curves = [
        _at(own, 0.1).group_by("m").agg(pl.col("bits", "rho").mean()).sort("bits")
        for _, own in paths.sort("width").group_by("width", maintain_order=True)
    ]
    if len(curves) < 2:
        return 0.0
    x = [one["bits"].log().to_numpy() for one in curves]
    grid = np.linspace(max(one.min() for one in x), min(one.max() for one in x), 20)
    y = [np.interp(grid, one, curve["rho"]) for one, curve in zip(x, curves, strict=True)]
    return float(np.max(np.ptp(y, axis=0)))
