"""M.1: how far the entropy of trained models goes towards the optimum of each loss."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE
from figures.curves import Tables
from figures.language import say
from figures.m_methods._methods import CONTROL, LOSSES, bars, counted
from figures.style import factor, figure

TABLES = ("runs", "ends")

NEAR = 0.5
"""Largest change of entropy, of the optimum and of models, in the panel beside that of all methods [nat]."""


def draw(tables: Tables) -> Figure | None:
    """Draw H(q) − H(q of SFT) against H(q*) − H(S): all methods, and those near to SFT."""
    found = shown(tables)
    if not found.height:
        return None
    drawn, (left, right) = figure(3.9, 2, sharey=False)
    near = _near(found)
    _panel(left, found, list(LOSSES))
    _panel(right, found, near)
    left.set_title(say("All losses"))
    right.set_title(say("Near to SFT"))
    left.set_ylabel(say("$H(q)$ − $H(q$ of SFT$)$ [nat]"))
    names = {say(LOSSES[part].name): part for part in LOSSES}
    handles, labels = left.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda at: list(names).index(labels[at]))
    drawn.legend([handles[at] for at in order], [labels[at] for at in order], loc="outside lower center", ncols=4)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    found, ends = shown(tables), tables["ends"]
    tried = ends.filter(pl.col("part").is_in(list(LOSSES))).height
    return say(
        "M.1. Change of the entropy of a loss's optimum against that of trained models, exact targets, means over "
        "{worlds} worlds with 95 % intervals. Horizontal: what the objective changes, H(q*) − H(S), exact. "
        "Vertical: what was learned, H(q) − H(q of SFT) in the same world, between certified bounds, which the "
        "intervals hold. Grey: equality; the vertical distance to it is the learning gap. Right: the losses near "
        "to SFT again. Hollow: losses that reward every token, whose H(q*) is known only given that the answer is "
        "listed. {left} of {tried} runs are left out, because they do not fit.",
        worlds=found["seed"].n_unique() if found.height else 0,
        left=tried - found.height,
        tried=tried,
    )


def shown(tables: Tables) -> pl.DataFrame:
    """Return the runs of the losses that fit.

    wanted: H(q*) − H(S); low, high: bounds of H(q) − H(q of SFT).
    """
    ends = counted(tables)
    if not ends.height:
        return ends
    sft = ends.filter(part=CONTROL["exact"]).select("seed", "h_lower", "h_upper")
    own = ends.filter(pl.col("part").is_in(list(LOSSES))).join(sft, on="seed", suffix="_sft", maintain_order="left")
    return own.with_columns(
        wanted=pl.col("h_best") - pl.col("h_s"),
        low=pl.col("h_lower") - pl.col("h_upper_sft"),
        high=pl.col("h_upper") - pl.col("h_lower_sft"),
    )


def _near(found: pl.DataFrame) -> list[str]:
    """The methods whose optima and models have nearly the entropies of S and of SFT."""
    means = found.group_by("part").agg(pl.col("wanted", "low", "high").mean().abs())
    near = means.filter(pl.max_horizontal("wanted", "low", "high") <= NEAR)["part"].to_list()
    return [part for part in LOSSES if part in near]


def _panel(axes: Axes, found: pl.DataFrame, parts: list[str]) -> None:
    """Draw a mark for each method, with bars, and the line of equality."""
    for part in parts:
        own = found.filter(part=part)
        if not own.height:
            continue
        at, wide = bars(own["wanted"], own["wanted"])
        height, high = bars(own["low"], own["high"])
        kind = LOSSES[part].kind
        axes.errorbar(
            at, height, yerr=high, xerr=wide, label=say(LOSSES[part].name), markersize=5.5 * factor(),
            elinewidth=0.9 * factor(), **kind,
        )  # fmt: skip
    axes.axline((0.0, 0.0), slope=1.0, color=GUIDE, linewidth=0.8 * factor(), zorder=0)
    axes.axhline(0.0, color=GUIDE, linewidth=0.5 * factor(), linestyle=(0, (1, 2)), zorder=0)
    axes.set_xlabel(say("$H(q^*)$ − $H(S)$ [nat]"))
