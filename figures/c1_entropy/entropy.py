"""C1.1, C1.2, C1.8: the entropy of the model against the entropy of its data, with a mark for each run."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, GUIDE, MARKERS, looks
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs",)

VIEWS = {"h": "answers", "text": "whole texts"}
"""Entropies of answers given their prompts, and of whole texts, by the beginnings of their columns."""


def draw(tables: Tables) -> Figure:
    """Draw H(q) against H(S), a mark per run with its certified bounds, the diagonal, and H(P), in both views."""
    runs = arms(tables)
    cases = runs["targets"].unique().sort().to_list()
    drawn, panels = figure(6.2, len(cases), num_rows=2)
    for place, axes in enumerate(panels):
        row, column = divmod(place, len(cases))
        view, words = list(VIEWS.items())[row]
        low = float(runs.select(f"{view}_s", f"{view}_q_lower").to_numpy().min()) - 0.1
        high = float(runs.select(f"{view}_s", f"{view}_q_upper").to_numpy().max()) + 0.1
        axes.plot([low, high], [low, high], color=GUIDE, linewidth=0.8 * factor(), zorder=1)
        _cloud(axes, runs, cases[column], view)
        axes.set(xlim=(low, high), ylim=(low, high))
        if row == 0:
            axes.set_title(say(f"{cases[column].capitalize()} targets"))
            axes.annotate("$H(q) = H(S)$", (0.3, 0.1), xycoords="axes fraction", fontsize="small", color=GUIDE)
        if row == 1:
            axes.set_xlabel(say("entropy of the data, $H(S)$ [nat]"))
        if column == 0:
            axes.set_ylabel(say("{words},\n$H(q)$ [nat]", words=words))
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C1.1, C1.2, C1.8. Entropy of the tuned model against the entropy of its data: a mark for each "
        "run, {seeds}, each a world of its own; bars are certified bounds. Above: answers given their "
        "prompts, x ~ S(x). Below: whole texts. Grey: equality. Dotted: H(P), mean over worlds. Data left "
        "of H(P) are less diverse than the language, data right of it are more diverse. {at_rate}",
        seeds=num_seeds(arms(tables)),
        at_rate=at_rate(tables),
    )


def counted(tables: Tables) -> pl.DataFrame:
    """Return the runs that came near enough to P. If none did, return all of them; then the figure is marked."""
    runs = tables["runs"]
    valid = runs.filter(pl.col("valid"))
    return valid if valid.height else runs


def arms(tables: Tables) -> pl.DataFrame:
    """Return the counted runs of setups with restrictions, at the largest rate if there are several."""
    runs = counted(tables).filter(pl.col("arm"))
    return runs if runs["rate"].null_count() else runs.filter(pl.col("rate") == pl.col("rate").max())


def at_rate(tables: Tables) -> str:
    """Name the rate of the runs that are drawn, as a sentence; it is empty if the rates are not known."""
    rates = arms(tables)["rate"].unique().to_list()
    return say("Learning rate {rate:g}.", rate=rates[0]) if rates and rates[0] is not None else ""


def _cloud(axes: Axes, runs: pl.DataFrame, case: str, view: str) -> None:
    """Draw the runs of one kind of targets, a look for each restriction by rising H(S). If two coincide, both show."""
    h_p = float(runs[f"{view}_p"].to_numpy().mean())
    for line in (axes.axvline, axes.axhline):
        line(h_p, color=DISTRIBUTIONS["P"].colour, linestyle=":", linewidth=0.8 * factor())
    axes.annotate("$H(P)$", (h_p, 0.0), (3, 3), ("data", "axes fraction"), textcoords="offset points", fontsize="small")
    names = runs.sort("h_s")["restriction"].unique(maintain_order=True).to_list()
    for place, (name, look) in enumerate(looks(names).items()):
        own = runs.filter(targets=case, restriction=name)
        lower, upper = own[f"{view}_q_lower"].to_numpy(), own[f"{view}_q_upper"].to_numpy()
        middle = (lower + upper) / 2
        axes.errorbar(
            own[f"{view}_s"], middle, yerr=[middle - lower, upper - middle], fmt=look.marker, color=look.colour,
            markerfacecolor="none" if place >= len(MARKERS) else look.colour,
            markersize=max(7.0 - 0.4 * place, 4.0) * factor(), elinewidth=factor(), label=say(name),
        )  # fmt: skip
