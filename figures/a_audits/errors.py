"""A.1 to A.5: how often a proxy has the wrong sign, by its construct and by sampling, against the number of samples."""

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from figures.colours import GUIDE, looks
from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure

TABLES = ("errors",)

WORDS = ("distinct-1", "distinct-2", "distinct-3", "self-BLEU", "token overlap")
ANSWERS = ("unique answers", "collision", "plug-in entropy", "Miller–Madow", "Chao–Shen", "Good–Turing")
"""Proxies that read the words of answers, and those that only count answers."""

LOOKS = looks((*WORDS, *ANSWERS))
JUDGED, LIMIT = "styles_content", 0.05
"""The kind of language that is judged, and the share that is predicted to be exceeded."""


def draw(tables: Tables) -> Figure | None:
    """Draw the share of pairs with a construct error, and the mean probability of a sampling error, against k."""
    cells = _cells(tables)
    if not cells.height:
        return None
    drawn, panels = figure(5.2, 2, num_rows=2)
    named: dict[str, Line2D] = {}
    for axes, (column, proxies) in zip(
        panels, ((column, proxies) for column in ("construct", "sampling") for proxies in (WORDS, ANSWERS)), strict=True
    ):
        named |= _panel(axes, cells, column, proxies)
    for axes, title in zip(panels, ("Measures of words", "Measures of whole answers"), strict=False):
        axes.axhline(LIMIT, color=GUIDE, linestyle=(0, (3, 2)), linewidth=0.8 * factor(), zorder=0)
        axes.set_title(say(title))
    for axes in panels:  # at the end: panels that share an axis no longer grow once one of them has a limit
        axes.set_ylim(bottom=0.0)
        axes.yaxis.set_major_locator(MaxNLocator(4))
    for axes in panels[2:]:
        axes.set_xlabel(say("samples per prompt, $k$"))
    panels[0].set_ylabel(say("construct error"))
    panels[2].set_ylabel(say("sampling error"))
    drawn.legend(list(named.values()), list(named), loc="outside lower center", ncols=4, handlelength=2.6)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    cells = _cells(tables).filter(proxy=WORDS[0])
    first = cells.filter(pl.col("k") == pl.col("k").min())
    return say(
        "A.1 to A.5. How often a proxy has the wrong sign, over {pairs:,} pairs of models in {worlds} worlds: means "
        "over worlds. Above: construct error, the share of pairs in which the exact expectation of the proxy over k "
        "samples and the exact entropy change in opposite directions; dashed: 5 %. Below: sampling error, the "
        "probability that k samples give another sign than this expectation, estimated from drawn samples. "
        "Expectations are exact, except that of Chao–Shen, which is estimated. Answers that the language cannot write "
        "are left out.",
        pairs=int(first["number"].sum()),
        worlds=first["world"].n_unique(),
    )


def _cells(tables: Tables) -> pl.DataFrame:
    found = tables["errors"].filter(language=JUDGED, pairs="all", size="")
    return found.with_columns(construct=pl.col("wrong") / pl.col("number"))


def _panel(axes: Axes, cells: pl.DataFrame, column: str, proxies: Sequence[str]) -> dict[str, Line2D]:
    """Draw the proxies of a panel, and return their lines by name."""
    named: dict[str, Line2D] = {}
    for name in proxies:
        own = cells.filter(pl.col(column).is_not_null(), proxy=name).group_by("k").agg(pl.col(column).mean()).sort("k")
        (named[say(name)],) = axes.plot(own["k"], own[column], **LOOKS[name].line)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(cells["k"].unique().to_list())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    return named
