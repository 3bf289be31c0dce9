"""C2.4: how many steps it takes to learn the lost part again, from the fine-tuned model and from scratch."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, Look
from figures.curves import Tables, num_seeds
from figures.style import factor, figure, step_axis

TABLES = ("runs", "relearning")

STARTS = {"recovery": ("from the fine-tuned model", "q"), "scratch": ("from scratch", "control")}

LABEL = "steps on the lost part until $KL(P_B\\|q)$ is what it was before SFT"


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
            _bars(axes, heights, lower, upper, DISTRIBUTIONS[look], name if place == 0 else "")
    ends = runs.select(pl.col(f"{phase}_{end}" for phase in STARTS for end in ("lower", "upper"))).to_numpy()
    _axis(axes, ends[np.isfinite(ends)])
    axes.set_yticks(range(len(cases)), [f"{name},\n{targets} targets" for name, targets in cases])
    axes.set_ylim(len(cases) - 0.5, -0.5)
    drawn.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return (
        "C2.4. Learning again: steps of training on the lost part P_B until KL(P_B‖q) is back at what it was before "
        f"the fine-tuning. Each bar is one of {num_seeds(tables['relearning'])} and shows exact bounds, from the last "
        "evaluation before to the first one after. A hollow mark means that it had not come back by then."
    )


def _bars(axes: Axes, heights: np.ndarray, lower: np.ndarray, upper: np.ndarray, look: Look, name: str) -> None:
    """Bounds as bars with a mark in the middle; a hollow mark at the last step where the upper bound is infinite."""
    back = np.isfinite(upper)
    low, high = lower[back], upper[back]
    axes.hlines(heights[back], low, high, color=look.colour, linewidth=2 * factor())
    axes.plot(np.where(low > 0.0, np.sqrt(low * high), high / 2), heights[back], label=name, **look.points)
    if not back.all():
        axes.plot(lower[~back], heights[~back], markersize=6 * factor(), clip_on=False, **look.hollow)


def _axis(axes: Axes, steps: np.ndarray) -> None:
    """A logarithmic axis over some steps; one that also holds step 0 where it is among them."""
    least, last = float(steps.min()), float(steps.max())
    if least < 1.0:
        step_axis(axes, int(last), LABEL)
        return
    ticks = [digit * 10**power for power in range(8) for digit in (1, 2, 5)]
    shown = [tick for tick in ticks if least / 1.5 <= tick <= 1.5 * last]
    axes.set(xscale="log", xlim=(least / 1.5, 1.5 * last), xlabel=LABEL)
    axes.set_xticks(shown, [str(tick) for tick in shown])
    axes.set_xticks([], minor=True)
