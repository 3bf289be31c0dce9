"""What the figures of the estimators share: lines over the size of the sample, and the level that intervals claim."""

from collections.abc import Mapping, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FixedLocator,
    LogFormatterMathtext,
    LogLocator,
    NullFormatter,
    NullLocator,
    PercentFormatter,
)

from figures.colours import GUIDE, Look, looks
from figures.language import say
from figures.style import factor, figure

LEVEL = 0.95
"""The level that intervals claim."""

LOOKS = looks(("plug-in", "Miller–Madow", "Chao–Shen", "Monte Carlo", "k2", "Rao–Blackwell", "k1", "k3"))
"""An estimator has one look in all figures."""

ESTIMATORS = {
    "H(q)": ("plug-in", "Miller–Madow", "Chao–Shen", "Monte Carlo", "Rao–Blackwell"),
    "KL(q‖p)": ("k1", "k2", "k3", "Rao–Blackwell"),
}
"""The estimators of a target in the order of a legend."""

SHOWN = Look("#000000", "", (0, (3, 2)))
"""The look of the interval that is reported, over all estimators of a target."""


def compared(cells: pl.DataFrame, pairs: Mapping[str, tuple[str, str]], target: str, label: str = "") -> Figure | None:
    """Draw a column for each pair of laws: the bias above, and below how often intervals hold the truth.

    pairs: language and name of each pair, by the title of its column. label: of the horizontal axes, where there is no
    room for the usual one. None if a pair has no numbers.
    """
    found = {title: chosen(cells, *place, target) for title, place in pairs.items()}
    if not all(one.height for one in found.values()):
        return None
    drawn, panels = figure(4.8, len(found), num_rows=2)
    above, below = panels[: len(found)], panels[len(found) :]
    for (title, own), top, bottom in zip(found.items(), above, below, strict=True):
        biases(top, own, ESTIMATORS[target])
        top.set_title(say(title))
        sizes(top, own, label=False)
        named = coverage(bottom, own, ESTIMATORS[target])
        sizes(bottom, own)
        if label:
            bottom.set_xlabel(label)
    above[0].set_ylabel(say("bias [nat]"))
    below[0].set_ylabel(say("truth held"))
    drawn.legend(list(named.values()), list(named), loc="outside lower center", ncols=3, handlelength=2.6)
    return drawn


def chosen(cells: pl.DataFrame, language: str, pair: str, target: str) -> pl.DataFrame:
    """Return the rows of one target under one pair of laws, by the size of the sample."""
    return cells.filter(language=language, pair=pair, target=target).sort("n", maintain_order=True)


def biases(axes: Axes, own: pl.DataFrame, names: Sequence[str]) -> None:
    """Draw the bias of every estimator against n, exact if it is known, and the line without bias."""
    lines(axes, own.with_columns(pl.coalesce("bias_exact", "bias").alias("drawn")), names, "drawn")
    axes.axhline(0.0, color=GUIDE, linestyle=":", linewidth=1.2 * factor(), zorder=0)


def lines(axes: Axes, own: pl.DataFrame, names: Sequence[str], column: str) -> dict[str, Line2D]:
    """Draw a column of every estimator against n, and return the lines by name."""
    drawn: dict[str, Line2D] = {}
    for name in names:
        rows = own.filter(pl.col(column).is_not_null(), estimator=name)
        if rows.height:
            (drawn[say(name)],) = axes.plot(rows["n"], rows[column], **LOOKS[name].line)
    return drawn


def coverage(axes: Axes, own: pl.DataFrame, names: Sequence[str]) -> dict[str, Line2D]:
    """Draw how often usual intervals hold the truth, the least of those that are reported, and the level they claim."""
    drawn = lines(axes, own, names, "usual")
    least = own.filter(pl.col("estimator").is_in(list(names))).group_by("n").agg(pl.col("covered").min()).sort("n")
    least = least.drop_nulls("covered")
    (reported,) = axes.plot(least["n"], least["covered"], color=SHOWN.colour, linestyle=SHOWN.dashes)
    claimed(axes)
    return {**drawn, say("reported, the least"): reported}


def claimed(axes: Axes) -> None:
    """Draw the level that intervals claim, and a scale of percentages."""
    axes.axhline(LEVEL, color=GUIDE, linestyle=":", linewidth=1.2 * factor(), zorder=0)
    axes.set_ylim(-0.03, 1.05)
    axes.yaxis.set_major_locator(FixedLocator([0.0, 0.25, 0.5, 0.75, LEVEL]))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


def sizes(axes: Axes, own: pl.DataFrame, label: bool = True) -> None:
    """Make the horizontal axis that of the size of the sample, with a tick at each power of ten."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10.0))
    axes.xaxis.set_major_formatter(LogFormatterMathtext() if label else NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(0.8 * float(own["n"].to_numpy().min()), 1.25 * float(own["n"].to_numpy().max()))
    if label:
        axes.set_xlabel(say("strings in the sample, $n$"))
