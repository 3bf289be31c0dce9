"""C5.2: what is erased, against the rank of the update: trained at that rank, or cut to it afterwards."""

from collections.abc import Iterator

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE, Look
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "ranks_ends", "spectra_edits")

PLACES = {"1": 0, "2": 1, "4": 2, "8": 3, "16": 4, "full": 5}
"""Places of the ranks on the axis. The last one is the full rank of every matrix."""

LOOKS = {
    "trained at the rank, sampled targets": Look("#D55E00", "o"),
    "trained at the rank, exact targets": Look("#0072B2", "s", (0, (5, 1.5))),
    "cut to the rank, sampled targets": Look("#7A7A7A", "^", (0, (1.5, 1))),
}


def draw(tables: Tables) -> Figure | None:
    """Draw E and KL(S‖q) against the rank, means over worlds and a thin line for each."""
    curves = dict(_curves(tables))
    if not curves:
        return None
    drawn, (erased, fit) = figure(3.1, 2, sharey=False)
    for axes, column in ((erased, "e"), (fit, "fit")):
        for name, own in curves.items():
            _curve(axes, own, column, name)
        axes.set_xticks(list(PLACES.values()), ["1", "2", "4", "8", "16", say("all")])
        axes.set_xlabel(say("rank of the update"))
    erased.set_ylabel(say("erased behind the gate, $E$ [nat]"))
    erased.axhline(0.0, color=GUIDE, linewidth=0.6 * factor(), zorder=0)
    fit.set(yscale="log", ylabel=say("distance from data, KL(S‖q) [nat]"))
    drawn.legend(*erased.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    curves = dict(_curves(tables))
    worlds = num_seeds(pl.concat([own.select("seed") for own in curves.values()])) if curves else say("no seed")
    return say(
        "C5.2. Left: what is erased behind the gate, E, against the rank of the change of every weight "
        "matrix. Right: the fit at the end. Trained at the rank: low-rank adapters (LoRA) at the rate "
        "that fits best in other worlds, and full fine-tuning. Cut to the rank: a full fine-tuning at "
        "0.002, whose changes keep their top singular directions only. Thick: means (geometric for the "
        "fit); thin: worlds, of {worlds}. All numbers are exact.",
        worlds=worlds,
    )


def _curves(tables: Tables) -> Iterator[tuple[str, pl.DataFrame]]:
    """The models of each line, with their places on the axis. If no run is valid, all are drawn and marked."""
    ends, edits = (counted(tables[name]) for name in ("ranks_ends", "spectra_edits"))
    names = list(LOOKS)
    for name, use in zip(names, ("judged", "exact"), strict=False):
        own = ends.filter(use=use) if ends.height else ends
        if own.height:
            places = pl.col("rank").replace_strict(PLACES, return_dtype=pl.Int64)
            yield name, own.select("run", "seed", "e", "fit", place=places, line="seed")
    own = edits.filter(targets="sampled") if edits.height else edits
    if own.height:
        own = own.filter(pl.col("kind").is_in(["truncated", "as trained"]))
        rank = pl.when(pl.col("kind") == "truncated").then(pl.col("number").cast(pl.Int64).cast(pl.String))
        places = rank.otherwise(pl.lit("full")).replace_strict(PLACES, return_dtype=pl.Int64)
        yield names[2], own.select("run", "seed", "e", "fit", place=places, line="seed")


def counted(found: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of runs that came near enough to P. If none did, return all; then the figure is marked."""
    valid = found.filter("valid") if found.height else found
    return valid if valid.height else found


def _curve(axes: Axes, own: pl.DataFrame, column: str, name: str) -> None:
    look = LOOKS[name]
    for _, line in own.sort("place").group_by("line", maintain_order=True):
        axes.plot(line["place"], line[column], linewidth=0.6 * factor(), color=look.colour, linestyle=look.dashes,
                  alpha=0.35, marker=look.marker, markersize=1.2 * factor())  # fmt: skip
    value = pl.col(column).mean() if column == "e" else pl.col(column).log().mean().exp()
    mean = own.group_by("place").agg(value).sort("place")
    axes.plot(mean["place"], mean[column], label=say(name), **look.line)
