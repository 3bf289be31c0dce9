"""C1.9: the entropy that sampled targets add, by the number of strings in a step and by the rate."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from figures.c1_entropy.entropy import counted
from figures.colours import GUIDE, look
from figures.curves import Tables, mean_over, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs",)

APART = 1.06
"""Factor between the places of two rates, so that marks of equal batches do not cover each other."""


def draw(tables: Tables) -> Figure | None:
    """Draw H(q) − H(q0) after fine-tuning on fresh data from P: a mark for each world, and the mean by rate."""
    cells = _cells(tables)
    if not cells.height:
        return None
    drawn, (axes,) = figure(3.4, 1, share=0.75)
    axes.axhline(0.0, color=GUIDE, linewidth=0.8 * factor())
    lines = cells.select("targets", "rate").unique().sort("targets", "rate", descending=[True, True])
    for place, (targets, rate) in enumerate(lines.iter_rows()):
        own = cells.filter(targets=targets, rate=rate).with_columns(at=pl.col("batch") * APART**place)
        mean, one = mean_over(own, "at", "added"), look(place)
        label = say("{targets} targets, rate {rate:g}", targets=targets, rate=rate)
        axes.plot(mean["at"], mean["added"], label=label, **one.line)
        half = (own["upper"] - own["lower"]).to_numpy() / 2
        axes.errorbar(own["at"], own["added"], yerr=half, **{**one.hollow, "alpha": 0.6}, elinewidth=0.8 * factor())
    axes.set_xscale("log")
    batches = cells["batch"].unique().sort().to_list()
    axes.xaxis.set_major_locator(FixedLocator(batches))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(batches[0] / 1.4, batches[-1] * 1.8)
    axes.set(xlabel=say("strings in a step"), ylabel=say("entropy added, $H(q) - H(q_0)$ [nat]"))
    drawn.legend(loc="outside lower center", ncols=2, handlelength=3)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C1.9. What sampling adds: entropy of answers that fine-tuning adds although its data are fresh "
        "samples from P, against the number of strings in a step. Hollow marks are worlds, bars are "
        "certified bounds, and lines join the means over {seeds}. With exact targets a step samples only "
        "which prefixes it sees. Marks of one batch size are drawn side by side.",
        seeds=num_seeds(_cells(tables)),
    )


def _cells(tables: Tables) -> pl.DataFrame:
    lower, upper = pl.col("h_q_lower") - pl.col("h_q0_upper"), pl.col("h_q_upper") - pl.col("h_q0_lower")
    runs = counted(tables).filter(pl.col("batch").is_not_null(), kind="everything")
    return runs.with_columns(lower=lower, upper=upper, added=(lower + upper) / 2)
