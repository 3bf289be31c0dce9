"""C1.2: where the difference H(P) - H(q) comes from, with a bar for each restriction."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.c1_entropy.entropy import arms
from figures.colours import HATCHES, PARTS
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs",)

STEPS = ("conditioning", "narrowing", "learning")


def draw(tables: Tables) -> Figure:
    """Draw where H(P) - H(q) comes from, as means over seeds. Losses are to the right, gains to the left."""
    runs = arms(tables)
    cases = runs["targets"].unique().sort().to_list()
    order = runs.sort("h_s", descending=True)["restriction"].unique(maintain_order=True).to_list()
    drawn, panels = figure(3.3, len(cases))
    for axes, case in zip(panels, cases, strict=True):
        for place, name in enumerate(order):
            own = runs.filter(targets=case, restriction=name)
            if own.height:
                _bar(axes, place, own)
        axes.axvline(0.0, color="black", linewidth=0.8 * factor())
        axes.set(title=say(f"{case.capitalize()} targets"), xlabel=say("entropy lost, $H(P)-H(q)$ [nat]"))
        axes.use_sticky_edges = False  # otherwise the longest bar would end at the frame
        axes.margins(x=0.08)
    panels[0].set_yticks(range(len(order)), [say(name) for name in order])
    ends = [axes.get_xlim() for axes in panels]
    for axes in panels:
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(min(low for low, _ in ends), max(high for _, high in ends))
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C1.2. Entropy lost by fine-tuning, H(P) − H(q), split into three steps: conditioning on what S "
        "keeps, narrowing within it, and learning, H(S) − H(q). Losses are drawn to the right and gains "
        "to the left of 0. Means over {seeds}; the learning step is the middle of its certified bounds. "
        "Restrictions are ordered by H(S).",
        seeds=num_seeds(arms(tables)),
    )


def _bar(axes: Axes, place: int, own: pl.DataFrame) -> None:
    """Draw the steps of one restriction: losses end to end, and gains end to end."""
    ends = {1.0: 0.0, -1.0: 0.0}
    for part in STEPS:
        size = _size(own, part)
        side = 1.0 if size >= 0 else -1.0
        axes.barh(
            place, size, left=ends[side], color=PARTS[part], hatch=HATCHES.get(part, ""), edgecolor="white",
            linewidth=0, height=0.7, label=say(part) if place == 0 else None,
        )  # fmt: skip
        ends[side] += size


def _size(own: pl.DataFrame, part: str) -> float:
    """Return the mean over seeds; for the learning step, of the middle of its bounds."""
    names = ["learning_lower", "learning_upper"] if part == "learning" else [part]
    return float(np.mean([own[name].to_numpy().mean() for name in names]))
