"""The mass of every style over fine-tuning, stacked to one, beside the control."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures._data import Tables, curve, phases, styles
from figures._words import averaged, percent, title
from figures.style import PALE, figure, step_axis, style_colours


def draw(tables: Tables) -> Figure | None:
    """A panel per fine-tuning; None for a world without styles."""
    metrics = tables["metrics"]
    names = styles(metrics)
    if not names:
        return None
    shown = phases(metrics)
    drawn, panels = figure(2.8, len(shown))
    for axes, phase in zip(panels, shown, strict=True):
        masses = {name: curve(metrics, phase, "style_mass", f"q {name}", "P(x)") for name in names}
        steps = masses[names[0]].steps
        heights = np.array([mass.lower for mass in masses.values()])
        colours = style_colours(names)
        axes.stackplot(steps, heights, colors=list(colours.values()), labels=names, linewidth=0)
        axes.fill_between(steps, heights.sum(axis=0), 1.0, color=PALE, linewidth=0)
        _names(axes, names, heights, steps)
        step_axis(axes, int(steps[-1]))
        axes.set(title=title(tables, phase), ylim=(0.0, 1.0))
    panels[0].set_ylabel("mass of the style $q_t(z)$\n(pale: off the support)")
    if averaged(tables, "P(x)"):
        for axes in panels:
            axes.set_xlabel(f"{axes.get_xlabel()}, prompts {averaged(tables, 'P(x)')}")
    return drawn


def _names(axes: Axes, names: list[str], heights: np.ndarray, steps: np.ndarray) -> None:
    """Names and final masses inside the bands that end wide enough to hold them."""
    tops = np.cumsum(heights, axis=0)
    for name, height, top in zip(names, heights[:, -1], tops[:, -1], strict=True):
        if height > 0.08:
            place = (steps[-1] * 0.85, top - height / 2.0)
            axes.annotate(f"{name} {percent(height)}", place, ha="right", va="center", fontweight="bold", color="white")
