"""C2: sizes of the support over steps, decay of lost mass, gate and erasure, kernel, race, learning again, replay."""

from collections.abc import Callable

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from figures._c2_laws import decay, kernel, race, replay
from figures._data import Tables
from figures.style import DISTRIBUTIONS, PARTS, STYLE_CYCLE, figure, step_axis

TABLES = (
    "runs",
    "sizes",
    "splits",
    "laws",
    "relearning",
    "kernels",
    "points",
    "entrants",
    "race",
    "replays",
    "verdicts",
)
"""What these figures read."""

FEWEST = 0.5
"""Answers per prompt at the foot of an axis."""

MODELS = {"tabular_strings": "flat table", "tabular_trie": "trie table", "transformer": "transformer"}


def sizes(tables: Tables) -> Figure | None:
    """N_eps(q_t) and e^H over the steps, mean over seeds, exact targets: a plain style, and flattened data."""
    if not tables["sizes"].height:
        return None
    paths = tables["sizes"].filter(phase="sft", targets="exact")
    shown = [name for name in ("style z0", "tilt 1.5") if paths.filter(restriction=name).height]
    drawn, panels = figure(3.6, len(shown))
    names = paths["size"].unique(maintain_order=True).to_list()
    for axes, restriction in zip(panels, shown, strict=True):
        own = paths.filter(restriction=restriction)
        for colour, name in zip(STYLE_CYCLE, names, strict=False):
            mean = own.filter(size=name).group_by("step").agg(pl.col("lower", "upper", "p", "s").mean()).sort("step")
            axes.plot(mean["step"], mean["lower"], color=colour, label=name.replace("e^H", "$e^{H}$"))
            axes.fill_between(mean["step"], mean["lower"], mean["upper"], color=colour, alpha=0.25, linewidth=0)
            for step, size, marker in ((mean["step"][-1], mean["s"][-1], "<"), (0, mean["p"][0], ">")):
                if size >= FEWEST:  # none has no place on a logarithmic axis
                    axes.plot(step, size, marker=marker, markersize=6, color=colour, clip_on=False)
        axes.set_yscale("log")
        axes.set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
        axes.set_ylim(FEWEST, 300)
        axes.set_title(f"data: {restriction}")
        step_axis(axes, int(own["step"].to_numpy().max()))
    panels[0].set_ylabel("answers per prompt (▸ of $P$, ◂ of $S$;\nbands: certified bounds)")
    drawn.legend(*panels[-1].get_legend_handles_labels(), fontsize=7, loc="outside right center")
    return drawn


def split(tables: Tables) -> Figure | None:
    """KL(P||q_t) stacked: gate, kept and erasure; tables and transformer under SGD, the transformer under Adam."""
    if not tables["splits"].height:
        return None
    long, style = pl.col("part").str.starts_with("decay"), pl.col("restriction").str.starts_with("style ")
    paths = tables["splits"].filter((long & (pl.col("optimizer") == "sgd")) | ((pl.col("part") == "recovery") & style))
    keys = ["optimizer", "model", "targets"]
    cases = paths.select(keys).unique(maintain_order=True).sort(keys, descending=[True, False, False])
    if not cases.height:
        return None
    drawn, panels = figure(3.0, cases.height)
    for axes, (optimizer, model, targets) in zip(panels, cases.rows(), strict=True):
        _stack(axes, paths.filter(model=model, optimizer=optimizer, targets=targets))
        steps = "SGD" if optimizer == "sgd" else f"Adam, 2·10$^{{-3}}$,\n{targets} targets"
        axes.set_title(f"{MODELS[model]},\n{steps}", fontsize=8)
    panels[0].set_ylabel("forgotten, $KL(P\\|q_t)$ [nat per answer]")
    panels[0].legend(loc="upper left", fontsize=7)
    return drawn


def _stack(axes: Axes, own: pl.DataFrame) -> None:
    names = ["gate", "kept", "erasure"]
    mean = own.group_by("step").agg(pl.col(names).mean()).sort("step")
    labels = ["gate: mass moved", "within the kept", "erasure: within the lost"]
    parts = [mean[name].to_numpy() for name in names]
    axes.stackplot(mean["step"], *parts, colors=[PARTS[name] for name in names], labels=labels)
    step_axis(axes, int(mean["step"][-1]))
    axes.xaxis.set_major_locator(FixedLocator([0, 10, 1000]))
    axes.set_xlabel("step")


def recovery(tables: Tables) -> Figure | None:
    """Steps on the lost part until KL(P_B||q) is back, from the fine-tuned model and from scratch; bars are bounds."""
    runs = tables["relearning"]
    if not runs.height:
        return None
    drawn, (axes,) = figure(2.6, 1)
    cases = runs.select("restriction", "targets").unique(maintain_order=True).sort("restriction", "targets").rows()
    for place, (restriction, targets) in enumerate(cases):
        own = runs.filter(restriction=restriction, targets=targets).sort("seed")
        for shift, (phase, colour) in zip((-0.15, 0.15), (("recovery", "q"), ("scratch", "control")), strict=True):
            lower, upper = own[f"{phase}_lower"].to_numpy(), own[f"{phase}_upper"].to_numpy()
            upper = np.where(np.isfinite(upper), upper, lower)
            at = place + shift + np.linspace(-0.06, 0.06, len(lower))
            label = "" if place else {"recovery": "from the fine-tuned model", "scratch": "from scratch"}[phase]
            axes.vlines(at, lower, upper, color=DISTRIBUTIONS[colour], linewidth=3, label=label)
    axes.set_yscale("log")
    axes.set_yticks([10, 20, 50, 100, 200, 500, 1000], ["10", "20", "50", "100", "200", "500", "1000"])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xticks(range(len(cases)), [f"{name}\n{targets} targets" for name, targets in cases])
    axes.set_ylabel("steps until $KL(P_B\\|q)$\nis back (bounds, a bar per seed)")
    axes.legend(loc="upper left", fontsize=8)
    return drawn


FIGURES: dict[str, Callable[[Tables], Figure | None]] = {
    "sizes": sizes,
    "decay": decay,
    "split": split,
    "recovery": recovery,
    "kernel": kernel,
    "race": race,
    "replay": replay,
}
