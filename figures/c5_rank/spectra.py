"""C5.1: singular values of the update, and the share of its top directions."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.c5_rank.ranks import counted
from figures.colours import Look
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "spectra_values", "spectra_updates")

LOOKS = {
    ("sft", "exact"): ("SFT, exact targets", Look("#0072B2", "s")),
    ("sft", "sampled"): ("SFT, sampled targets", Look("#D55E00", "o", (0, (5, 1.5)))),
    ("identity", "exact"): ("goes on with P, exact targets", Look("#009E73", "D", (0, (1.5, 1)))),
    ("identity", "sampled"): ("goes on with P, sampled targets", Look("#000000", "v", (0, (5, 1.5, 1, 1.5)))),
    ("random_update", "exact"): ("random update", Look("#7A7A7A", "^", (0, (3, 1)))),
}
"""Names and looks of the updates, by phase and targets. One kind of random update stands for both."""


def draw(tables: Tables) -> Figure | None:
    """Draw singular values relative to the largest, and the stable rank of every world."""
    values = counted(tables["spectra_values"])
    if not values.height:
        return None
    drawn, (spectrum, rank) = figure(3.3, 2, sharey=False)
    for (phase, targets), (name, look) in LOOKS.items():
        own = values.filter(phase=phase, targets=targets)
        if own.height:
            _spectrum(spectrum, own, name, look)
    spectrum.set(xscale="log", yscale="log", xlabel=say("number $i$ of the singular value"), ylabel="$σ_i / σ_1$")
    spectrum.set_xticks([1, 2, 4, 8, 16, 32, 64], ["1", "2", "4", "8", "16", "32", "64"])
    spectrum.minorticks_off()
    _ranks(rank, counted(tables["spectra_updates"]))
    drawn.legend(*spectrum.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C5.1. Left: singular values of the change of the weights, relative to the largest one (root of "
        "the sum of squares over all matrices); means over worlds on a logarithmic axis. Right: the "
        "stable rank, the squared Frobenius norm over the square of the largest singular value, as a mean "
        "over matrices weighted by squared norms; a point for each world, and a large hollow mark for the "
        "mean. Adam at 0.002; the same steps on S (SFT) or on P (goes on with P); a random matrix of "
        "equal norm in the place of every change. Worlds: {seeds}. All numbers are exact.",
        seeds=num_seeds(counted(tables["spectra_values"])),
    )


def _spectrum(axes: Axes, own: pl.DataFrame, name: str, look: Look) -> None:
    first = own.filter(number=1).select("run", first="value")
    relative = own.join(first, on="run").with_columns(share=pl.col("value") / pl.col("first"))
    mean = relative.group_by("number").agg(pl.col("share").log().mean().exp()).sort("number")
    axes.plot(mean["number"], mean["share"], label=say(name), **look.line)


def _ranks(axes: Axes, updates: pl.DataFrame) -> None:
    """A column of points for each update."""
    short = ["SFT,\nexact", "SFT,\nsampled", "on P,\nexact", "on P,\nsampled", "random"]
    for place, ((phase, targets), (_, look)) in enumerate(LOOKS.items()):
        own = updates.filter(phase=phase, targets=targets)
        if own.height:
            stable = own["stable"].to_numpy()
            axes.plot([place] * len(stable), stable, markersize=2.5 * factor(), alpha=0.6, **look.points)
            axes.plot(place, stable.mean(), markersize=9.0 * factor(), markeredgewidth=1.6 * factor(), **look.hollow)
    axes.set(yscale="log", ylabel=say("stable rank of the update"))
    axes.set_xticks(range(len(short)), [say(name) for name in short])
    axes.set_yticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    axes.minorticks_off()
