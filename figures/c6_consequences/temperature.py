"""C6.2: what a temperature brings back, and what it costs: coverage against validity, and mass of the lost styles."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from figures.colours import GUIDE, look
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "temperature_paths")

LINES = {
    ("temperature_plain", "base"): "base model",
    ("temperature_plain", "tuned"): "tuned on one style",
    ("temperature_sharp", "tuned"): "tuned on sharpened answers",
    ("temperature_erased", "tuned"): "tuned on sampled tokens",
}
"""The lines, by part of the study and model."""

BOUND = ("temperature_plain", "tuned")
"""The line whose bound by the first token is drawn."""

TICKS = (0.3, 1.0, 3.0, 10.0, 30.0)

RATIO = 2
"""An answer is covered if the model makes it less than this many times rarer than P."""

DASHED = (0, (4, 2))


def draw(tables: Tables) -> Figure | None:
    """Draw the coverage of P against the validity, and q_T(B) against T: means over worlds at each temperature."""
    found = _shown(tables)
    if not found.height:
        return None
    drawn, (left, right) = figure(3.4, 2, sharey=False)
    p_lost = float(found["p_lost"].to_numpy().mean())
    for index, (which, name) in enumerate(LINES.items()):
        own = _mean(found, *which)
        if own.height:
            marks = {**look(index).line, "markersize": 2.6 * factor(), "label": say(name)}
            hot = own.filter(pl.col("number") >= 1.0)
            left.plot(hot["validity"], hot[f"covered_{RATIO}"], **marks)
            right.plot(own["number"], own["lost"], **marks)
    bound = _mean(found, *BOUND)
    if bound.height:
        hot = bound.filter(pl.col("number") >= 1.0)
        most = np.minimum(1.0, 1.0 - p_lost + RATIO * hot["gate_lost"].to_numpy())
        line: dict[str, Any] = {
            "color": GUIDE,
            "linestyle": DASHED,
            "linewidth": 1.2 * factor(),
            "label": say("most that the gate allows"),
        }
        left.plot(hot["validity"], most, **line)
        right.plot(bound["number"], bound["gate_lost"], **line)
    _left(left)
    _right(right, p_lost)
    drawn.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C6.2. One fine-tuned model per world, decoded at temperatures from 0.3 to 30; every point is a "
        "temperature, means over {seeds}. Left, from T = 1 on: the P-mass of the answers that the model "
        "makes less than twice rarer than P does, against the probability of an answer that P can give. "
        "Right: the probability of the styles that the fine-tuning left out. Dashed: what the first token "
        "of the answer allows at most, for the model tuned on one style. Dotted: the probability in P, "
        "and half of it. All numbers are exact.",
        seeds=num_seeds(_shown(tables)),
    )


def _shown(tables: Tables) -> pl.DataFrame:
    """Return the temperatures of the runs that came near enough to P; of all if none did, then the figure is marked."""
    found = tables["temperature_paths"]
    if not found.height:
        return found
    found = found.filter(pl.col("rule") == "temperature", pl.col("part") != "temperature_control")
    valid = found.filter("valid")
    return valid if valid.height else found


def _mean(found: pl.DataFrame, part: str, model: str) -> pl.DataFrame:
    columns = ("validity", "lost", "gate_lost", f"covered_{RATIO}")
    return found.filter(part=part, model=model).group_by("number").agg(pl.col(*columns).mean()).sort("number")


def _left(axes: Axes) -> None:
    axes.set(
        xlabel=say("validity: answers that P can give"),
        ylabel=say("coverage of P (N = {ratio})", ratio=RATIO),
        ylim=(-0.03, 1.05),
    )
    axes.set_xlim(1.02, 0.0)  # to the right it gets hotter, as in the other panel
    axes.set_title(say("What heating costs"))


def _right(axes: Axes, p_lost: float) -> None:
    for share, words in ((1.0, "in P"), (0.5, "half of it")):
        axes.axhline(share * p_lost, color=GUIDE, linestyle=":", linewidth=0.9 * factor(), zorder=0)
        axes.text(30.0, share * p_lost + 0.01, say(words), color=GUIDE, fontsize="small", va="bottom", ha="right")
    axes.set(
        xscale="log", xlabel=say("temperature T"), ylabel=say("$q_T(B)$, mass of the lost styles"), ylim=(-0.03, 0.95)
    )
    axes.xaxis.set_major_locator(FixedLocator(list(TICKS)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title(say("What it brings back"))
