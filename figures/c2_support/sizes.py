"""C2.1: sizes of the support over the steps, for data that are narrower than P and for data that are flatter."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import looks
from figures.curves import Tables, mean_over, num_seeds
from figures.labels import Label, beside
from figures.language import say
from figures.style import factor, figure, step_axis

TABLES = ("runs", "sizes")

FEWEST = 0.5
"""Lower end of the axis [answers per prompt]. Smaller sizes are not drawn."""

DRAWN = ("style", "sharpen")
"""Kinds of restrictions that are drawn: one style, and data that are flatter than P."""


def draw(tables: Tables) -> Figure | None:
    """Draw N_eps(q_t) and e^H over the steps, as means over seeds, for exact targets: a style, and flattened data."""
    paths = drawn_paths(tables)
    if not paths.height:
        return None
    shown = paths.group_by("restriction").agg(pl.col("s").mean()).sort("s")["restriction"].to_list()
    drawn, panels = figure(3.6, len(shown))
    for axes, restriction in zip(panels, shown, strict=True):
        own = paths.filter(restriction=restriction)
        axes.set_yscale("log")
        axes.set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
        axes.set_ylim(FEWEST, 300)
        axes.set_title(say("S: {name}", name=restriction))
        step_axis(axes, int(own["step"].to_numpy().max()))
        _panel(axes, own)
    panels[0].set_ylabel(say("answers per prompt"))
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C2.1. Sizes of the support over the fine-tuning, prompts x ~ S(x): the effective number of "
        "answers e^H, and the number of answers with probability at least ε. Hollow marks at the left are "
        "the sizes for P, those at the right the sizes for S. Bands are certified bounds, and the line is "
        "the lower one; exact targets, means over {seeds}.",
        seeds=num_seeds(drawn_paths(tables)),
    )


def drawn_paths(tables: Tables) -> pl.DataFrame:
    """Return the paths of one style and of flattened data, with all prompts."""
    paths = tables["sizes"]
    if not paths.height:
        return paths
    flat = pl.col("restriction").str.starts_with("sharpened").not_()
    return paths.filter(pl.col("restriction_kind").is_in(DRAWN), flat, phase="sft", targets="exact")


def _panel(axes: Axes, own: pl.DataFrame) -> None:
    names = own["size"].unique(maintain_order=True).to_list()
    labels = []
    for name, look in looks(names).items():
        mean = mean_over(own.filter(size=name), "step", "lower", "upper", "p", "s")
        axes.plot(mean["step"], mean["lower"], **look.line, markevery=4)
        axes.fill_between(mean["step"], mean["lower"], mean["upper"], color=look.colour, alpha=0.25, linewidth=0)
        for step, size in ((mean["step"][-1], mean["s"][-1]), (0, mean["p"][0])):
            if size >= FEWEST:
                axes.plot(step, size, **look.hollow, markersize=7 * factor(), clip_on=False)
        text = "$e^H$" if name == "e^H" else name
        end = float(f"{mean['lower'][-1]:.3g}")  # those that are equal but for rounding stay in their order
        labels.append(Label(text, end, look.colour))
    beside(axes, [label for label in labels[::-1] if label.height >= FEWEST])
