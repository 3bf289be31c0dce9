"""C4.1: which styles a model speaks at prompts that the fine-tuning never showed, along the steps."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE, looks
from figures.curves import Tables, mean_over, num_seeds
from figures.language import say
from figures.style import factor, figure, step_axis

TABLES = ("runs", "weights")


def draw(tables: Tables) -> Figure | None:
    """Draw the weights w_z over the steps: a panel for each world, means over seeds, and a thin line for each run."""
    found = _shown(tables)
    if not found.height:
        return None
    worlds = found["shown"].unique().sort(descending=True).to_list()
    drawn, panels = figure(3.1, len(worlds))
    for axes, shown in zip(panels, worlds, strict=True):
        _panel(axes, found.filter(shown=shown))
        axes.set_title(say("Styles shown by a token" if shown else "Latent styles"))
    panels[0].set_ylabel(say("weight $w_z$ at unseen prompts"))
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C4.1. Weights of the styles in the mixture Σ w(z) P(·|x, z) that is nearest to the model, at "
        "prompts that the fine-tuning on style z0 never showed; under exact targets. Lines are means over "
        "{seeds}, thin lines are runs; dotted: 1 and P's weights. The weights are exact, because the "
        "styles are disjoint.",
        seeds=num_seeds(_shown(tables)),
    )


def counted(found: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of runs that came near enough to P. If none did, return all; then the figure is marked."""
    if not found.height:
        return found
    valid = found.filter(pl.col("valid"))
    return valid if valid.height else found


def _shown(tables: Tables) -> pl.DataFrame:
    found = counted(tables["weights"])
    if not found.height:
        return found
    middle = (pl.col("w_lower") + pl.col("w_upper")) / 2
    return found.filter(phase="sft", targets="exact").with_columns(w=middle)


def _panel(axes: Axes, found: pl.DataFrame) -> None:
    for name, look in looks(found["style"].unique().sort().to_list()).items():
        own = found.filter(style=name)
        for _, run in own.sort("step").group_by("run", maintain_order=True):
            axes.plot(
                run["step"], run["w"], color=look.colour, linestyle=look.dashes, linewidth=0.6 * factor(), alpha=0.4
            )
        mean = mean_over(own, "step", "w")
        axes.plot(mean["step"], mean["w"], label=say(name), **{**look.line, "marker": look.marker}, markevery=3)
        axes.axhline(own["prior"].to_numpy().mean(), color=GUIDE, linestyle=":", linewidth=0.8 * factor())
    axes.axhline(1.0, color=GUIDE, linestyle=":", linewidth=0.6 * factor(), zorder=0)
    step_axis(axes, int(found["step"].to_numpy().max()))
