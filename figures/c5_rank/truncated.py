"""C5.3: erasure and gate of models whose changes are cut, against their fit, beside interpolated weights."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.c5_rank.ranks import counted
from figures.colours import GUIDE, Look
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "spectra_edits")

NAMED = (1.0, 2.0, 4.0)
"""The numbers of directions that are written beside their points; larger ones lie near the tuned model."""

LOOKS = {
    "interpolated": ("weights between both models", Look("#009E73", "D", (0, (5, 1.5)))),
    "truncated": ("top directions of every change", Look("#D55E00", "o")),
    "hard threshold": ("cut at the published threshold", Look("#000000", "X")),
    "random update": ("random matrices of equal norm", Look("#7A7A7A", "^")),
}
"""Names and looks of the edits. The first two are lines."""


def draw(tables: Tables) -> Figure | None:
    """Draw E and q(B) against KL(S‖q), means over worlds, sampled targets."""
    edits = shown(tables)
    if not edits.height:
        return None
    drawn, (erased, gate) = figure(3.2, 2, sharey=False)
    for axes, column in ((erased, "e"), (gate, "lost")):
        for kind, (name, look) in LOOKS.items():
            _edit(axes, edits, kind, column, name, look)
        axes.set(xscale="log", xlabel=say("how far from the data, KL(S‖q) [nat]"))
        axes.invert_xaxis()
    erased.set_ylabel(say("erased behind the gate, $E$ [nat]"))
    erased.axhline(0.0, color=GUIDE, linewidth=0.6 * factor(), zorder=0)
    gate.set(yscale="log", ylabel=say("mass of the lost part, $q(B)$"))
    drawn.legend(*erased.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C5.3. Models made from one fine-tuning without training: every change of a weight matrix is cut "
        "to its top 1, 2, 4, 8 or 16 singular directions (the first ones are written beside the points), "
        "the weights are moved a part of the way (0.2 to 0.9, and 1), changes are cut at the threshold of "
        "Gavish and Donoho as a published repair does (DG-Hard, arXiv 2605.20296), or replaced by random "
        "matrices. Left: E; right: q(B); both against the fit, which is better to the right. Adam at "
        "0.002, sampled targets; means over {seeds} (geometric of fits and masses). All numbers are "
        "exact.",
        seeds=num_seeds(shown(tables)),
    )


def shown(tables: Tables) -> pl.DataFrame:
    """Return the edits of fine-tunings on sampled targets."""
    edits = counted(tables["spectra_edits"])
    return edits.filter(targets="sampled") if edits.height else edits


def _edit(axes: Axes, edits: pl.DataFrame, kind: str, column: str, name: str, look: Look) -> None:
    """The path of an edit over its number; both paths end at the tuned model."""
    own = edits.filter(kind=kind)
    if kind in ("interpolated", "truncated"):
        end = edits.filter(kind="as trained").with_columns(number=pl.lit(99.0))
        own = pl.concat([own, end])
    if not own.height:
        return
    value = pl.col(column).mean() if column == "e" else pl.col(column).log().mean().exp()
    mean = own.group_by("number").agg(pl.col("fit").log().mean().exp(), value).sort("number")
    style = look.line if kind in ("interpolated", "truncated") else {**look.points, "markersize": 6.0 * factor()}
    axes.plot(mean["fit"], mean[column], label=say(name), **style)
    for number, x, y in mean.iter_rows() if kind == "truncated" else ():
        if number in NAMED:
            axes.annotate(f"{number:g}", (x, y), (-6 * factor(), 0), textcoords="offset points", ha="right",
                          va="center", color="#000000")  # fmt: skip
