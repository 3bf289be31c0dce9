"""C2.5: how well the kernel at q0 predicts what happens to answers that the data never have."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE, PALE, Look, looks
from figures.curves import Tables, num_seeds
from figures.labels import Label, beside
from figures.style import factor, figure

TABLES = ("runs", "kernels", "scatter")

LEAST = -0.5
"""R² below which a point is drawn as a triangle at the foot of the panel."""


def draw(tables: Tables) -> Figure | None:
    """Draw the change of log q of unseen answers against the kernel's prediction at three steps, and R² by width."""
    if not tables["scatter"].height:
        return None
    points = tables["scatter"]
    width, rate = _middle(points["width"]), float(points["learning_rate"].to_numpy().max())
    own = points.filter(width=width, learning_rate=rate)
    steps = sorted(own["step"].unique())[1:]
    drawn, panels = figure(2.8, 4, sharey=False)
    for axes, step in zip(panels, (steps[0], steps[len(steps) // 2], steps[-1]), strict=False):
        part = own.filter(step=step, unseen=True)
        axes.plot(part["predicted"], part["moved"], markersize=2 * factor(), **Look("#0072B2", "o").points, alpha=0.6)
        low, high = (float(end) for end in np.quantile(part["moved"].to_numpy(), [0, 1]))
        axes.plot([low, high], [low, high], color=GUIDE, linewidth=factor(), zorder=0)
        axes.set_title(f"Step {step}")
        axes.set_xlabel("predicted [nat]")
        axes.locator_params(nbins=3)
    panels[0].set_ylabel("true change of $\\log q(y|x)$ [nat]")
    _explained(panels[3], tables["kernels"])
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    points = tables["scatter"]
    width, rate = _middle(points["width"]), float(points["learning_rate"].to_numpy().max())
    return (
        "C2.5. Change of log q(y|x) of the answers that S lacks: the true change against the change under the model "
        "that is linearised at q₀ (its empirical neural tangent kernel), seed 0, "
        f"width {width}, learning rate {rate:g}; grey: equality. "
        f"Right: explained share R² for each width over learning rate times steps, mean over "
        f"{num_seeds(tables['kernels'])}, a line for each learning rate. A triangle at the foot is a value below "
        f"{LEAST:g}. All changes are exact."
    )


def _middle(values: pl.Series) -> int:
    found = sorted(values.unique())
    return int(found[len(found) // 2])


def _explained(axes: Axes, kernels: pl.DataFrame) -> None:
    """Draw R² on unseen answers over lr · t, with one look for each width and a line for each learning rate."""
    labels = []
    axes.axhline(0, color=PALE, zorder=0)
    axes.set(xscale="log", ylim=(LEAST, 1.05), title="R²", xlabel="rate × step")
    widths = sorted(kernels["width"].unique())
    for width, look in zip(widths, looks([str(one) for one in widths]).values(), strict=True):
        for rate in sorted(kernels["learning_rate"].unique()):
            own = kernels.filter(width=width, learning_rate=rate).group_by("step").agg(pl.col("r2").mean()).sort("step")
            x, r2 = own["step"].to_numpy() * rate, own["r2"].to_numpy()
            axes.plot(x[x > 0], r2[x > 0], linewidth=factor(), **look.line, markevery=3)
            below = (x > 0) & (r2 < LEAST)
            if below.any():
                foot = np.full(below.sum(), LEAST)
                axes.plot(x[below], foot, "v", color=look.colour, markersize=5 * factor(), clip_on=False)
        first = kernels.filter(width=width).filter(pl.col("step") > 0).group_by("step").agg(pl.col("r2").mean())
        labels.append(Label(f"width {width}", max(float(first.sort("step")["r2"][-1]), LEAST), look.colour))
    beside(axes, labels)
