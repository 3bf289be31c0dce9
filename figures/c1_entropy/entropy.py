"""C1.1: the entropy of the model against the entropy of its data, with a mark for each run."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, GUIDE, looks
from figures.curves import Tables, num_seeds
from figures.style import factor, figure

TABLES = ("runs",)


def draw(tables: Tables) -> Figure:
    """Draw H(q) against H(S), a mark per run with its certified bounds, the diagonal, and H(P)."""
    runs = counted(tables)
    cases = runs["targets"].unique(maintain_order=True).to_list()
    drawn, panels = figure(3.3, len(cases))
    low = float(runs.select("h_s", "h_q_lower").to_numpy().min()) - 0.1
    high = float(runs.select("h_s", "h_q_upper").to_numpy().max()) + 0.1
    for axes, case in zip(panels, cases, strict=True):
        axes.plot([low, high], [low, high], color=GUIDE, linewidth=0.8 * factor(), zorder=1)
        _cloud(axes, runs, case)
        axes.set(xlim=(low, high), ylim=(low, high), title=f"{case.capitalize()} targets")
        axes.set_xlabel("entropy of the data, $H(S)$ [nat]")
        axes.annotate("$H(q) = H(S)$", (0.42, 0.36), xycoords="axes fraction", fontsize="small", color=GUIDE)
    panels[0].set_ylabel("entropy of the model, $H(q)$ [nat]")
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return (
        "C1.1. Entropy of the answers of the tuned model against the entropy of its data, prompts x ~ S(x): a mark for "
        f"each run, {num_seeds(counted(tables))}; bars are certified bounds. Grey: equality. Dotted: H(P). Data left "
        "of H(P) are less diverse than the language, data right of it are more diverse."
    )


def counted(tables: Tables) -> pl.DataFrame:
    """Return the runs that came near enough to P. If none did, return all of them; then the figure is marked."""
    runs = tables["runs"]
    valid = runs.filter(pl.col("valid"))
    return valid if valid.height else runs


def _cloud(axes: Axes, runs: pl.DataFrame, case: str) -> None:
    """Draw the runs of one kind of targets, a look for each restriction by rising H(S). If two coincide, both show."""
    h_p = float(runs["h_p"].to_numpy().mean())
    for line in (axes.axvline, axes.axhline):
        line(h_p, color=DISTRIBUTIONS["P"].colour, linestyle=":", linewidth=0.8 * factor())
    axes.annotate("$H(P)$", (h_p, 0.0), (3, 3), ("data", "axes fraction"), textcoords="offset points", fontsize="small")
    names = runs.sort("h_s")["restriction"].unique(maintain_order=True).to_list()
    for place, (name, look) in enumerate(looks(names).items()):
        own = runs.filter(targets=case, restriction=name)
        lower, upper = own["h_q_lower"].to_numpy(), own["h_q_upper"].to_numpy()
        middle = (lower + upper) / 2
        axes.errorbar(
            own["h_s"], middle, yerr=[middle - lower, upper - middle], fmt=look.marker, color=look.colour,
            markersize=max(7.0 - 0.4 * place, 4.0) * factor(), elinewidth=factor(), label=name,
        )  # fmt: skip
