"""How many answers have probability at least eps, for the truths and the models; a band where only bounds are known."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures._data import Tables, common_law, phases, rows
from figures._words import averaged, has_prompts, method
from figures.style import DISTRIBUTIONS, figure

WIDTHS = {"P": 1.0, "S": 1.3, "q0": 5.0, "q": 4.0, "control": 2.8}
"""Curves that coincide are drawn inside each other: base, control, P."""


def draw(tables: Tables) -> Figure:
    """One panel, both axes logarithmic, one prompt law; an eps with no answer at all has no place on it."""
    metrics = tables["metrics"]
    law = common_law(metrics)
    drawn, (axes,) = figure(3.4, 1, width=5.0)
    last = {phase: int(rows(metrics, phase, "epsilon_support")["step"].to_numpy().max()) for phase in phases(metrics)}
    names = {"q0": ("sft", 0, "$q_0$ (base)"), "q": ("sft", last["sft"], f"$q$ (after {method(tables)})")}
    shown = [(phase, step, "q", colour, label) for colour, (phase, step, label) in names.items()]
    shown += [(phase, step, "q", "control", f"{phase} control") for phase, step in last.items() if phase != "sft"]
    shown += [("truth", 0, of, of, f"${of}$") for of in ("P", "S")]
    highest = 1.0
    for place, (phase, step, of, colour, label) in enumerate(shown):
        found = support(metrics, phase, step, of, law)
        _curve(axes, found, colour, label, 2.0 + 0.1 * place)
        highest = max(highest, float(found["upper"].to_numpy().max()) if of != "q" else 1.0)
    kind = "an answer" if has_prompts(tables) else "a string"
    where = f", prompts {averaged(tables, law)}" if has_prompts(tables) else ""
    axes.set(xscale="log", yscale="log", xlabel=rf"threshold $\varepsilon$ [probability of {kind}]{where}")
    axes.set_ylim(0.5, 30.0 * highest)
    counted = r"answers per prompt with $q(y\,|\,x)$" if has_prompts(tables) else "strings with $q(y)$"
    axes.set_ylabel(rf"{counted} $\geq \varepsilon$")
    axes.invert_xaxis()
    known = r"dots: evaluated $\varepsilon$; band: certified bounds, line: lower one"
    axes.legend(loc="upper left", ncols=2, title=known, title_fontsize=8, alignment="left")
    return drawn


def _curve(axes: Axes, found: pl.DataFrame, name: str, label: str, zorder: float) -> None:
    """Steps halfway between the evaluated eps, which carry dots."""
    epsilons, lower, upper = (found[column].to_numpy() for column in ("epsilon", "lower", "upper"))
    there, colour, width = lower > 0.0, DISTRIBUTIONS[name], WIDTHS[name]
    dashes = (0, (3, 3)) if name in ("P", "S") else "-"
    look: dict[str, Any] = {"drawstyle": "steps-mid", "linewidth": width, "linestyle": dashes}
    dots: dict[str, Any] = {"marker": "o", "markersize": width + 1.2, "markeredgewidth": 0.0}
    axes.plot(epsilons[there], lower[there], color=colour, label=label, zorder=zorder, **look, **dots)
    if (upper > lower).any():
        band: dict[str, Any] = {"where": upper > lower, "step": "mid", "alpha": 0.2, "linewidth": 0}
        axes.fill_between(epsilons, np.maximum(lower, 1e-12), upper, color=colour, **band)


def support(metrics: pl.DataFrame, phase: str, step: int, of: str, law: str) -> pl.DataFrame:
    """The curve of one distribution under one prompt law: epsilon, lower, upper, by rising epsilon."""
    found = rows(metrics, phase, "epsilon_support", law=law).filter((pl.col("step") == step) & (pl.col("of") == of))
    epsilon = pl.col("at").cast(pl.Float64).alias("epsilon")
    return found.select(epsilon, "lower", "upper").sort("epsilon")
