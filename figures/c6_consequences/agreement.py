"""C6.1: the style over all prompts, what an answer tells about its prompt, and how often two models say the same."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from figures.colours import DISTRIBUTIONS, GUIDE, Look
from figures.curves import Tables, mean_over
from figures.labels import below, head
from figures.language import say
from figures.style import factor, figure, step_axis

TABLES = ("runs", "agreement_paths", "agreement_pairs")

MODELS = {"sft": ("fine-tuning on one style", DISTRIBUTIONS["q"]), "identity": ("control", DISTRIBUTIONS["control"])}

PAIRS = {
    ("before", "shown"): ("before", Look("#56B4E9", "s")),
    ("control", "shown"): ("control", Look("#7A7A7A", "^")),
    ("tuned", "shown"): ("tuned, prompts in the data", Look("#D55E00", "o")),
    ("tuned", "unshown"): ("tuned, other prompts", Look("#0072B2", "D")),
}

SHORT = 25.0
"""Ratio of the ends of an axis below which 1, 2 and 5 are named in every decade."""


def draw(tables: Tables) -> Figure | None:
    """Draw style mass and I(x; y) over the steps, and the collision of two models against that of their data."""
    paths, pairs = _counted(tables["agreement_paths"]), _counted(tables["agreement_pairs"])
    if not paths.height or not pairs.height:
        return None
    drawn, (left, middle, right) = figure(3.3, 3, sharey=False)
    for axes, name in ((left, "mass"), (middle, "information")):
        for phase, (label, look) in MODELS.items():
            _lines(axes, paths.filter(phase=phase), name, label, look)
        step_axis(axes, int(paths["step"].to_numpy().max()), most=4)
    left.axhline(paths["prior"].to_numpy().mean(), color=GUIDE, linestyle=":", linewidth=0.9 * factor(), zorder=0)
    left.set(ylim=(0, 1.05), ylabel=say("answers in the tuned style"))
    head(left, say("One style at all prompts"))
    for name, dashes in (("information_p", ":"), ("information_s", "--")):
        label = "all of P" if name == "information_p" else "the data"
        middle.axhline(paths[name].to_numpy().mean(), color=GUIDE, linestyle=dashes, linewidth=0.9 * factor(), zorder=0,
                       label=say(label))  # fmt: skip
    middle.set_ylabel(say("I(prompt; answer) [nat]"))
    middle.set_ylim(0, None)
    head(middle, say("But not one answer"))
    _agreement(right, pairs)
    drawn.legend(*middle.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    drawn.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=2)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    paths = tables["agreement_paths"]
    worlds = _counted(paths)["world"].n_unique() if paths.height else 0
    return say(
        "C6.1. Fine-tuning on one style at half of the prompts. Left: probability of that style over all "
        "prompts; dotted: in P. Middle: what an answer tells about its prompt, at the prompts of the "
        "data; dotted: in P, dashed: in the data. Right: how often models of two seeds give the same "
        "answer, against how often two answers from the law that they learn are the same, one mark for "
        "each world; on the line, models agree as far as their data repeat themselves. Lines are means "
        "over two models in each of {worlds} worlds, thin lines are models. Masses are exact; the other "
        "numbers of models are the middles of certified bounds.",
        worlds=worlds,
    )


def _counted(found: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of runs that came near enough to P. If none did, return all; then the figure is marked."""
    if not found.height:
        return found
    valid = found.filter("valid")
    found = valid if valid.height else found
    ends = [name.removesuffix("_lower") for name in found.columns if name.endswith("_lower")]
    middles = [((pl.col(f"{name}_lower") + pl.col(f"{name}_upper")) / 2).alias(name) for name in ends]
    return found.with_columns(*middles)


def _lines(axes: Axes, found: pl.DataFrame, name: str, label: str, look: Look) -> None:
    for _, run in found.sort("step").group_by("run", maintain_order=True):
        axes.plot(
            run["step"], run[name], color=look.colour, linestyle=look.dashes, linewidth=0.5 * factor(), alpha=0.35
        )
    mean = mean_over(found, "step", name)
    axes.plot(mean["step"], mean[name], label=say(label), markevery=2, **look.line)


def _agreement(axes: Axes, pairs: pl.DataFrame) -> None:
    for (phase, where), (label, look) in PAIRS.items():
        own = pairs.filter(phase=phase, where=where)
        repeats = own["narrow"] if phase == "tuned" else own["widest"]
        axes.plot(repeats, own["together"], label=say(label), markersize=4.0 * factor(), alpha=0.8, **look.points)
    ends = [pairs["widest"].to_numpy().min() / 1.3, pairs["narrow"].to_numpy().max() * 1.3]
    axes.plot(ends, ends, color=GUIDE, linewidth=0.8 * factor(), zorder=0)
    axes.set(xscale="log", yscale="log", ylabel=say("two models agree"))
    lowest, highest = (float(end) for end in ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(_ticks(lowest, highest)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    below(axes, say("the data repeat an answer"))
    head(axes, say("Two models"))


def _ticks(low: float, high: float) -> list[float]:
    """Return ticks for a narrow logarithmic axis: 1, 2, 5, 10, ... if it is short, else powers of ten."""
    steps = (1.0, 2.0, 5.0) if high < SHORT * low else (1.0,)
    every = [step * 10.0**power for power in range(-9, 1) for step in steps]
    return [one for one in every if low <= one <= high]
