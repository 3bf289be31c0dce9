"""How much of P a model makes rarer, and by how much: the coverage that is lost, before and after the fine-tuning."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure
from figures.unlisted._models import known, models, newest

TABLES = ("runs", "numbers", "seeds")

LOST = "coverage lost"

APART = 1.05
"""Models are drawn beside each other by this factor."""


def draw(tables: Tables) -> Figure | None:
    """Draw the share of P that a model makes N times rarer or more against N, with intervals."""
    shown = [(name, look, _of_p(own)) for name, look, own in models(tables)]
    shown = [one for one in shown if one[2].height]
    if not shown:
        return None
    drawn, (axes,) = figure(3.2, 1)
    for place, (name, look, rows) in enumerate(shown):
        ratio = rows["ratio"].to_numpy() * APART ** (place - 1)
        value, low, high = (rows[one].to_numpy() for one in ("estimate", "lower", "upper"))
        ends = np.abs(np.array([value - low, high - value]))
        axes.errorbar(ratio, value, ends, **look.line, label=name, elinewidth=0.8 * factor(), capsize=0)
    axes.set_xscale("log")
    axes.set_ylim(0.0, 1.0)
    axes.set_xlabel(say("$N$: how many times rarer than in $P$"))
    axes.set_ylabel(say("share of $P$ with $P/q \\geq N$"))
    drawn.legend(loc="outside lower center", ncols=3)
    return drawn


def _of_p(own: pl.DataFrame) -> pl.DataFrame:
    """The coverage lost of P, with the ratio N as a number."""
    found = own.filter(pl.col("of").str.starts_with("P("), name=LOST)
    ratio = pl.col("of").str.extract(r"≥ ([\d.e+]+)\)").cast(pl.Float64)
    return found.with_columns(ratio=ratio).sort("ratio")


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    run = newest(tables).row(0, named=True)
    return say(
        "The share of P, by probability, that the model makes N times rarer or more, P(P/q ≥ N): {grammar}; S is P "
        "{restriction}. Estimated from independent strings of P, whose P and q are exact. {known}. Models are drawn "
        "beside each other. A model that lost nothing would be at 0.",
        grammar=run["grammar"],
        restriction=run["restriction"],
        known=known(tables),
    )
