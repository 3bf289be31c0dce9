"""C2.9: what is left of erasure and of the gate if only the top k directions of every change of a matrix are kept."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE, Look
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure, is_slide

TABLES = ("runs", "edits", "arms")

LOOKS = {
    "top directions": Look("#D55E00", "o"),
    "random directions": Look("#0072B2", "s", (0, (1.5, 1))),
    "top directions, control": Look("#7A7A7A", "^", (0, (5, 1.5, 1, 1.5))),
}

GATED = 0.01
"""Largest q(B) at which a model still leaves out what S leaves out."""


def draw(tables: Tables) -> Figure | None:
    """Draw E and q(B) against the number of directions that are kept, means over seeds and a thin line for each."""
    edits = shown(tables)
    if not edits.height:
        return None
    ranks = sorted(edits.filter(kind="truncated")["number"].unique())
    drawn, (erased, gate) = figure(3.0, 2, sharey=False)
    for axes, column in ((erased, "e"), (gate, "lost")):
        for name, own in _curves(edits).items():
            _curve(axes, own, column, ranks, name)
        _point(axes, edits.filter(kind="interpolated"), column, len(ranks) + 1)
        places = range(len(ranks) + 2)
        axes.set_xticks(places, [*(f"{rank:g}" for rank in ranks), say("all"), "½"])
        axes.set_xlabel(say("directions kept; ½: interpolated"))
    erased.set_ylabel(say("erased behind the gate, $E$ [nat]"))
    gate.set(yscale="log", ylabel=say("mass of the lost part, $q(B)$"))
    gate.axhline(GATED, color=GUIDE, linestyle="--", linewidth=factor(), zorder=0)
    handles, names = erased.get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower center", ncols=2 if is_slide() else 4)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C2.9. Every change of a weight matrix is cut to its top k singular directions. Left: what is "
        "erased behind the gate, E. Right: the mass that the model still gives to the lost part; dashed: "
        "0.01. Beside it as many random directions with the same singular values, the same cut of the "
        "identity control, and weights halfway between those before and after the fine-tuning. Adam at "
        "0.002, sampled targets; means over {seeds} and a thin line for each (geometric means of masses). "
        "All numbers are exact.",
        seeds=num_seeds(shown(tables)),
    )


def shown(tables: Tables) -> pl.DataFrame:
    """Return the models of the base arm whose run fits."""
    edits = tables["edits"]
    if not edits.height:
        return edits
    cut = edits.filter(kind="truncated", of_control=False)["run"]
    fit = tables["arms"].filter("fits")["run"]
    return edits.filter(pl.col("run").is_in(cut.implode()) & pl.col("run").is_in(fit.implode()))


def _curves(edits: pl.DataFrame) -> dict[str, pl.DataFrame]:
    kinds = {"top directions": ("truncated", False), "random directions": ("random directions", False),
             "top directions, control": ("truncated", True)}  # fmt: skip
    found = {}
    for name, (kind, of_control) in kinds.items():
        own = edits.filter(of_control=of_control)
        whole = own.filter(kind="as trained") if kind == "truncated" else own.head(0)
        found[name] = pl.concat([own.filter(kind=kind), whole])
    return {name: own for name, own in found.items() if own.height}


def _curve(axes: Axes, own: pl.DataFrame, column: str, ranks: Sequence[float], name: str) -> None:
    """A thin line for each run and a thick one for the mean. The whole change is at the right of all ranks."""
    place = {rank: at for at, rank in enumerate(ranks)} | {0.0: len(ranks)}
    own = own.with_columns(place=pl.col("number").replace_strict(place, return_dtype=pl.Float64))
    look = LOOKS[name]
    for _, run in own.sort("place").group_by("run", maintain_order=True):
        axes.plot(run["place"], run[column], linewidth=0.6 * factor(), color=look.colour, linestyle=look.dashes,
                  alpha=0.35, marker=look.marker, markersize=0.5)  # fmt: skip
    value = pl.col(column).mean() if column == "e" else pl.col(column).log().mean().exp()
    mean = own.group_by("place").agg(value).sort("place")
    axes.plot(mean["place"], mean[column], label=say(name), **look.line)


def _point(axes: Axes, own: pl.DataFrame, column: str, place: int) -> None:
    """The interpolated weights, at the right."""
    if own.height:
        look = Look("#009E73", "D")
        values = own[column].to_numpy()
        axes.plot(np.full(len(values), place), values, markersize=2.0 * factor(), alpha=0.5, **look.points)
        mean = float(values.mean()) if column == "e" else float(np.exp(np.log(values).mean()))
        axes.plot(place, mean, label=say("interpolated weights"), **look.points)
