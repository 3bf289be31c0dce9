"""L.3: what is forgotten as gate and as erasure, in languages that are not listed."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import PARTS
from figures.curves import Tables
from figures.l_unlisted._worlds import arm, counted, languages
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "parts")

SHOWN = {"gate": "o", "erasure": "s"}
"""The parts of the figure, and their markers."""


def draw(tables: Tables) -> Figure | None:
    """Draw a panel for each language; in it, for each direction of S and arm, gate and erasure with intervals."""
    parts = tables["parts"]
    if parts.is_empty():
        return None
    names = languages(parts)
    lines = [_lines(parts.filter(language=name)).height for name in names]
    drawn, panels = figure(1.2 + sum(0.42 * one + 0.4 for one in lines), 1, num_rows=len(names))
    for axes, name in zip(panels, names, strict=True):
        _panel(axes, parts.filter(language=name))
        axes.set_title(name, fontsize="small")
    panels[-1].set_xlabel(say("[nat per string]"))
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


def _lines(own: pl.DataFrame) -> pl.DataFrame:
    lines = own.select("direction", "targets", "rate").unique().sort("direction", "rate", "targets")
    return lines.with_row_index("line")


def _panel(axes: Axes, own: pl.DataFrame) -> None:
    rates, lines = own["rate"].unique().to_list(), _lines(own)
    placed = own.join(lines, on=["direction", "targets", "rate"])
    for shift, (part, marker) in zip((-0.1, 0.1), SHOWN.items(), strict=True):
        here = placed.filter(part=part)
        middle, low, high = (here[name].to_numpy() for name in ("estimate", "lower", "upper"))
        axes.errorbar(
            middle, here["line"].to_numpy() + shift, xerr=[middle - low, high - middle], label=say(part), marker=marker,
            linestyle="none", color=PARTS[part], elinewidth=0.9 * factor(),
        )  # fmt: skip
    labels = [
        f"{say('S has ' + row['direction'])}\n{say(arm(row['targets'], row['rate'], rates))}"
        for row in lines.to_dicts()
    ]
    axes.set_yticks(range(len(labels)), labels, fontsize="small")
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.axvline(0.0, color="#D0D0D0", linewidth=0.6 * factor(), zorder=0)


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    runs = counted(tables)
    missing = runs["erased_after"].null_count()
    return say(
        "L.3. What the fine-tuning adds to the forgetting of P: the gate, and the erasure of the rest of P, P(B) E. "
        "Means over the seeds that have an estimate, at most {seeds}, with 95 % intervals. P(B) is exact. The parts "
        "are estimated from strings of P and from twisted draws of what S leaves out. {missing} of {runs} runs have no "
        "estimate of the erasure. A language of which no run has one is not shown.",
        seeds=runs["seed"].n_unique(),
        missing=missing,
        runs=runs.height,
    )
