"""C1: the entropy of the model against that of its data, waterfalls of all restrictions, branching by position."""

from collections.abc import Callable

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from figures._data import Tables
from figures.style import DISTRIBUTIONS, PALE, PARTS, STYLE_CYCLE, figure

TABLES = ("runs", "positions", "verdicts")
"""What these figures read."""

CASES = {"exact": "exact targets", "sampled": "sampled targets"}

CURVES = {"P": "$P$", "S": "$S$", "q0": "$q_0$", "q": "$q$"}


def counted(tables: Tables) -> pl.DataFrame:
    """The runs that came near enough to P; all of them where none did, and the figure is marked."""
    runs = tables["runs"]
    valid = runs.filter(pl.col("valid"))
    return valid if valid.height else runs


def entropy(tables: Tables) -> Figure:
    """H(q) against H(S), a point per run with its certified bounds, the diagonal, and H(P)."""
    runs = counted(tables)
    drawn, panels = figure(3.4, len(CASES))
    names = runs.sort("h_s")["restriction"].unique(maintain_order=True).to_list()
    colours = {name: STYLE_CYCLE[at % len(STYLE_CYCLE)] for at, name in enumerate(names)}
    low = float(min(runs["h_s"].to_numpy().min(), runs["h_q_lower"].to_numpy().min())) - 0.1
    high = float(max(runs["h_s"].to_numpy().max(), runs["h_q_upper"].to_numpy().max())) + 0.1
    h_p = float(runs["h_p"].to_numpy().mean())
    for axes, (case, title) in zip(panels, CASES.items(), strict=True):
        axes.plot([low, high], [low, high], color="0.6", linewidth=1.0, zorder=1)
        axes.axvline(h_p, color=DISTRIBUTIONS["P"], linestyle=":", linewidth=1.0)
        axes.axhline(h_p, color=DISTRIBUTIONS["P"], linestyle=":", linewidth=1.0)
        for name in names:
            own = runs.filter(targets=case, restriction=name)
            lower, upper = own["h_q_lower"].to_numpy(), own["h_q_upper"].to_numpy()
            middle = (lower + upper) / 2
            bars = [middle - lower, upper - middle]
            axes.errorbar(
                own["h_s"], middle, yerr=bars, fmt="o", markersize=4, color=colours[name], elinewidth=1.0, label=name
            )
        axes.annotate("$H(P)$", (h_p, low), (3, 3), textcoords="offset points", fontsize=8)
        axes.set(xlim=(low, high), ylim=(low, high), title=title, xlabel="entropy of the data, $H(S)$ [nat per answer]")
    panels[0].set_ylabel("entropy of the model, $H(q)$\n[nat per answer; bars: certified bounds]")
    panels[0].legend(loc="upper left", fontsize=7, frameon=True, framealpha=1.0, edgecolor="none")
    return drawn


def waterfall(tables: Tables) -> Figure:
    """Where H(P) - H(q) comes from, mean over seeds, a bar per restriction; losses to the right."""
    runs = counted(tables)
    drawn, panels = figure(3.2, len(CASES))
    order = runs.sort("h_s", descending=True)["restriction"].unique(maintain_order=True).to_list()
    for axes, (case, title) in zip(panels, CASES.items(), strict=True):
        for place, name in enumerate(order):
            own = runs.filter(targets=case, restriction=name)
            if not own.height:
                continue
            ends = {1.0: 0.0, -1.0: 0.0}
            for part in ("conditioning", "narrowing", "learning"):
                size = _part(own, part)
                side = 1.0 if size >= 0 else -1.0
                label = part if place == 0 else None
                axes.barh(place, size, left=ends[side], color=PARTS[part], height=0.7, label=label)
                ends[side] += size
        axes.axvline(0.0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(order)), order)
        axes.set(title=title, xlabel="entropy lost, $H(P)-H(q)$ [nat per answer]")
        axes.use_sticky_edges = False  # or the longest bar would end at the frame
        axes.margins(x=0.08)
    panels[0].legend(loc="lower right", fontsize=7)
    return drawn


def _part(own: pl.DataFrame, part: str) -> float:
    """Mean over seeds; of the learning error the middle of its bounds."""
    names = ["learning_lower", "learning_upper"] if part == "learning" else [part]
    return float(np.mean([own[name].to_numpy().mean() for name in names]))


def positions(tables: Tables) -> Figure:
    """Branching factor and 90 % nucleus of P, S, q0, q by position: one style and flattened data, exact targets."""
    curves = tables["positions"].filter(targets="exact").filter(pl.col("run").is_in(counted(tables)["run"].implode()))
    shown = [name for name in ("style z0", "tilt 1.5") if curves.filter(restriction=name).height]
    drawn, panels = figure(4.6, len(shown), num_rows=2)
    for place, axes in enumerate(panels):
        nucleus, name = divmod(place, len(shown))
        own = curves.filter(pl.col("restriction") == shown[name], pl.col("live") > 1e-9)
        columns = ("nucleus_lower", "nucleus_upper") if nucleus else ("branching", "branching")
        for of, label in CURVES.items():
            mean = own.filter(of=of).group_by("position").agg(pl.col(*set(columns)).mean()).sort("position")
            dashed = of in ("P", "S")
            axes.plot(
                mean["position"], mean[columns[0]], color=DISTRIBUTIONS[of], label=label,
                linestyle="--" if dashed else "-", linewidth=2.4 if dashed else 1.4, marker="o", markersize=3,
            )  # fmt: skip
            lower, upper = (mean[column] for column in columns)
            axes.fill_between(mean["position"], lower, upper, color=DISTRIBUTIONS[of], alpha=0.3, linewidth=0)
        axes.axhline(1.0, color=PALE, zorder=0)
        axes.set(
            **{"xlabel": "position in the answer"} if nucleus else {"title": f"data: {shown[name]}, exact targets"}
        )
        axes.set_xticks(sorted(own["position"].unique()))
    panels[0].set_ylabel("branching factor $e^{H_t}$\n(prefixes $x \\sim S$)")
    panels[len(shown)].set_ylabel("nucleus, 90 % [tokens]\n(bands: certified bounds)")
    panels[0].legend(fontsize=8)
    return drawn


FIGURES: dict[str, Callable[[Tables], Figure | None]] = {
    "entropy": entropy,
    "waterfall": waterfall,
    "positions": positions,
}
