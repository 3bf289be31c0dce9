"""C2.4: how many steps it takes to learn the lost part again, from the fine-tuned model and from scratch."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS
from figures.curves import Tables, num_seeds
from figures.style import factor, figure

TABLES = ("runs", "relearning")

STARTS = {"recovery": ("from the fine-tuned model", "q"), "scratch": ("from scratch", "control")}


def draw(tables: Tables) -> Figure | None:
    """Draw the steps on the lost part until KL(P_B||q) is back, from both starting points, with a bar for each seed."""
    runs = tables["relearning"]
    if not runs.height:
        return None
    drawn, (axes,) = figure(2.6, 1)
    cases = runs.select("restriction", "targets").unique(maintain_order=True).sort("restriction", "targets").rows()
    for place, (restriction, targets) in enumerate(cases):
        own = runs.filter(restriction=restriction, targets=targets).sort("seed")
        for shift, (phase, (name, look)) in zip((-0.18, 0.18), STARTS.items(), strict=True):
            lower, upper = own[f"{phase}_lower"].to_numpy(), own[f"{phase}_upper"].to_numpy()
            heights = place + shift + np.linspace(-0.12, 0.12, len(lower))
            _bars(axes, heights, lower, upper, DISTRIBUTIONS[look].points, name if place == 0 else "")
    axes.set_xscale("log")
    ticks = [10, 20, 50, 100, 200, 500, 1000]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(cases)), [f"{name},\n{targets} targets" for name, targets in cases])
    axes.set_ylim(len(cases) - 0.5, -0.5)
    axes.set_xlabel("steps on the lost part until $KL(P_B\\|q)$ is what it was before SFT")
    drawn.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return (
        "C2.4. Learning again: steps of training on the lost part P_B until KL(P_B‖q) is back at what it was before "
        f"the fine-tuning. Each bar is one of {num_seeds(tables['relearning'])}, from the last evaluation before to "
        "the first one after; an arrow means that it did not come back within the steps."
    )


def _bars(
    axes: Axes, heights: np.ndarray, lower: np.ndarray, upper: np.ndarray, look: dict[str, Any], name: str
) -> None:
    """Bounds as bars with a mark in the middle; an arrow where the upper bound is infinite."""
    there = np.isfinite(upper)
    ends = np.where(there, upper, lower)
    axes.hlines(heights, lower, ends, color=look["color"], linewidth=2 * factor())
    axes.plot(np.sqrt(lower * ends)[there], heights[there], label=name, **look)
    axes.plot(
        lower[~there], heights[~there], color=look["color"], marker=">", linestyle="none", markersize=6 * factor()
    )
