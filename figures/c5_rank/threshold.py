"""C5.4: how near models of each rank come to data that k gates on the final features make."""

from typing import Any

import polars as pl
from matplotlib.figure import Figure

from figures.c5_rank.ranks import counted
from figures.colours import GUIDE, looks
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "threshold_fits", "threshold_runs")

LIMIT = 0.01
"""KL(S‖q) at which a model counts as having reached S [nat per answer]."""


def draw(tables: Tables) -> Figure | None:
    """Draw KL(S‖q) against the rank: best matrices below k and trained adapters at k; beside it adapters inside."""
    fits, runs = counted(tables["threshold_fits"]), counted(tables["threshold_runs"])
    if not fits.height or not runs.height:
        return None
    drawn, (left, right) = figure(3.2, 2)
    for k, look in looks([str(k) for k in sorted(fits["k"].unique())]).items():
        own = fits.filter(k=int(k)).select("seed", rank="r", end="found")
        trained = runs.filter(pl.col("part").str.starts_with("threshold_output"), k=int(k)).select(
            "seed", "rank", "end"
        )
        stairs = _mean(pl.concat([own, trained]))
        left.plot(stairs["rank"], stairs["end"], label=f"$k$ = {k}", **look.line)
        last = fits.filter(k=int(k), r=int(k) - 1)
        bars: dict[str, Any] = {
            "color": GUIDE,
            "linestyle": "none",
            "marker": "_",
            "markersize": 6.0 * factor(),
            "zorder": 4,
        }
        left.plot(last["r"], last["bound"], markeredgewidth=1.4 * factor(), **bars)
        inside = runs.filter(pl.col("part").str.starts_with("threshold_inner"), k=int(k))
        right.plot(inside["rank"], inside["end"], markersize=2.5 * factor(), alpha=0.5, **look.points)
        mean = _mean(inside.select("seed", "rank", "end"))
        right.plot(mean["rank"], mean["end"], markersize=7.0 * factor(), **look.hollow)
    for axes, name in ((left, "output matrix"), (right, "inside the network")):
        axes.axhline(LIMIT, color=GUIDE, linestyle="--", linewidth=factor(), zorder=0)
        axes.set(yscale="log", xlabel=say(f"rank of the update, {name}"), xlim=(-0.4, 8.4))
        axes.set_xticks([0, 1, 2, 4, 8], ["0", "1", "2", "4", "8"])
    left.set_ylabel(say("KL(S‖q) [nat per answer]"))
    drawn.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C5.4. Divergence from data that k gates on the final features of the pretrained model make. "
        "Left: updates of the output matrix; below the rank k the best matrices that were found, which "
        "are upper bounds of the least divergence, and at k trained adapters. Bars: certified lower "
        "bounds for every matrix of rank k − 1. Right: adapters of attention and perceptrons with a "
        "frozen output; small marks are worlds, hollow marks geometric means. Dashed: 0.01 nats, which "
        "counts as reached. Geometric means over {seeds}; divergences of given models are exact.",
        seeds=num_seeds(counted(tables["threshold_runs"])),
    )


def _mean(frame: pl.DataFrame) -> pl.DataFrame:
    """Geometric means over seeds, by rank."""
    return frame.group_by("rank").agg(pl.col("end").log().mean().exp()).sort("rank")
