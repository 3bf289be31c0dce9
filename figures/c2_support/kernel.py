"""C2.5: how well the kernel at q0 predicts what happens to answers that the data never have."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE, PALE, Look, looks
from figures.curves import Tables, num_seeds
from figures.labels import Label, beside
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "kernels", "scatter")

LEAST = -0.5
"""R² below which a point is drawn as a hollow mark at the foot of the panel."""


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
        axes.set_title(say("Step {step}", step=step))
        axes.set_xlabel(say("predicted [nat]"))
        axes.locator_params(nbins=3)
        low, high = axes.get_xlim()
        ticks = [float(tick) for tick in axes.get_xticks() if low <= tick <= high]
        axes.set_xticks(sorted({ticks[0], ticks[-1]}))  # more would touch each other
    panels[0].set_ylabel(say(r"true change of $\log q(y|x)$ [nat]"))
    _explained(panels[3], tables["kernels"])
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    points = tables["scatter"]
    width, rate = _middle(points["width"]), float(points["learning_rate"].to_numpy().max())
    return say(
        "C2.5. Change of log q(y|x) of the answers that S lacks: the true change against the change under "
        "the model that is linearised at q₀ (its empirical neural tangent kernel), seed 0, width {width}, "
        "learning rate {rate:g}; grey: equality. Right: explained share R² for each width over learning "
        "rate times steps, mean over {seeds}, a line for each learning rate. A hollow mark at the foot is "
        "a value below {least:g}. All changes are exact.",
        width=width,
        rate=rate,
        seeds=num_seeds(tables["kernels"]),
        least=LEAST,
    )


def _middle(values: pl.Series) -> int:
    found = sorted(values.unique())
    return int(found[len(found) // 2])


def _explained(axes: Axes, kernels: pl.DataFrame) -> None:
    """Draw R² on unseen answers over lr · t, mean over seeds; a look for each width, a line for each learning rate."""
    means = kernels.filter(pl.col("step") > 0).group_by("width", "learning_rate", "step").agg(pl.col("r2").mean())
    means = means.sort("width", "learning_rate", "step").with_columns(done=pl.col("learning_rate") * pl.col("step"))
    least = max(LEAST, min(float(means["r2"].to_numpy().min()) - 0.1, 0.0))
    axes.axhline(0, color=PALE, zorder=0)
    axes.set(xscale="log", ylim=(least, 1.05), title=say("Explained, R²"), xlabel=say("rate × step"))
    labels = []
    widths = sorted(means["width"].unique())
    for width, look in zip(widths, looks([str(one) for one in widths]).values(), strict=True):
        for _, own in means.filter(width=width).group_by("learning_rate", maintain_order=True):
            axes.plot(own["done"], own["r2"], linewidth=factor(), **look.line, markevery=3)
            below = own.filter(pl.col("r2") < LEAST)
            if below.height:
                axes.plot(below["done"], np.full(below.height, LEAST), **look.hollow, clip_on=False)
        end = means.filter(width=width).filter(pl.col("done") == pl.col("done").max())
        labels.append(Label(say("width {width}", width=width), max(float(end["r2"].to_numpy()[0]), LEAST), look.colour))
    beside(axes, labels)
