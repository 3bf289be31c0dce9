"""The mass of every style during fine-tuning, as a stack up to 1, beside the controls."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import PALE, style_colours
from figures.curves import Tables, curve, styles, tuned
from figures.labels import Label, beside, head, within
from figures.language import say
from figures.style import factor, figure, step_axis
from figures.words import averaged, data, percent, plain, title, under

TABLES = ("metrics", "phases", "run")


def draw(tables: Tables) -> Figure | None:
    """Draw a panel per fine-tuning. Return None for a world without styles."""
    metrics = tables["metrics"]
    names = styles(metrics)
    if not names:
        return None
    shown = tuned(tables)
    drawn, panels = figure(2.8, len(shown))
    for axes, phase in zip(panels, shown, strict=True):
        masses = [curve(metrics, phase, "style_mass", "q", "P(x)", name) for name in names]
        steps, heights = masses[0].steps, np.array([mass.lower for mass in masses])
        colours = style_colours(names)
        axes.stackplot(steps, heights, colors=list(colours.values()), linewidth=0)
        for top in np.cumsum(heights, axis=0):
            axes.plot(steps, top, color="white", linewidth=0.8 * factor())
        axes.fill_between(steps, heights.sum(axis=0), 1.0, color=PALE, linewidth=0)
        axes.set_ylim(0.0, 1.0)
        head(axes, title(tables, phase))
        step_axis(axes, int(steps[-1]))
        _names(axes, names, heights, steps)
        where = averaged(tables, "P(x)")
        axes.set_xlabel(under(axes.get_xlabel(), where))
    panels[0].set_ylabel(say("mass of the style, $q_t(z)$"))
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "Mass of every style under the model during the fine-tuning. The bands add up to the mass on the "
        "support of P; the pale rest is off the support. The percentages at the right are for the last "
        "step. All numbers are exact. {data}.",
        data=data(tables),
    )


def _names(axes: Axes, names: list[str], heights: np.ndarray, steps: np.ndarray) -> None:
    """Each name in its band; masses at the end beside the axes, with the names that found no room in their bands."""
    tops, colours, labels = np.cumsum(heights, axis=0), style_colours(names), []
    for name, height, top in zip(names, heights, tops, strict=True):
        said = say(plain(name))
        inside = within(axes, said, steps, top - height, top, colours[name])
        beyond = percent(float(height[-1])) + ("" if inside else f" {said}")
        labels.append(Label(beyond, float(top[-1] - height[-1] / 2), colours[name]))
    beside(axes, labels)
