"""C6.3: content at equal style, of the base model with examples and of the tuned one; a lost style recalled."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from figures.colours import DISTRIBUTIONS, GUIDE, Look
from figures.curves import Tables
from figures.labels import head
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "examples_paths", "examples_recall")

TUNED_STYLE = "z0"

NEAR = 2.0
"""Points of the base model whose shares differ by less than this factor have one label."""

ARMS = {
    "examples_style": ("tuned on the style itself", Look("#D55E00", "o")),
    "examples_narrow": ("tuned on narrower data", Look("#0072B2", "D", (0, (5, 1.5)))),
}

RECALLED = {
    "truth": ("exact Bayes", DISTRIBUTIONS["P"]),
    "pretrain": ("base model", DISTRIBUTIONS["q0"]),
    "identity": ("control", DISTRIBUTIONS["control"]),
    "sft": ("tuned on the other style", DISTRIBUTIONS["q"]),
}


def draw(tables: Tables) -> Figure | None:
    """Draw the entropy of the content against the share of other styles, and the lost style by number of examples."""
    paths, recall = _counted(tables["examples_paths"]), _counted(tables["examples_recall"])
    if not paths.height or not recall.height:
        return None
    drawn, (left, right) = figure(3.4, 2, sharey=False)
    _content(left, paths.filter(style=TUNED_STYLE))
    _recall(right, recall.filter(part="examples_style"))
    drawn.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=1)
    drawn.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=2)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    found = _counted(tables["examples_paths"])
    worlds = found["seed"].n_unique() if found.height else 0
    return say(
        "C6.3. Left: entropy of an answer given the style, against the share of answers in other styles. "
        "Lines: fine-tuning, prompts without examples, from left to right; squares: the base model with "
        "0, 1 and 2 examples of the style in the prompt, as written beside them; dashed: exact Bayes, the "
        "same for every number of examples. Right: share of answers in the style that the data lack, "
        "after examples of it; dotted: if its log-odds lost as much after examples as without, as under "
        "another prior over styles. Means over {worlds} worlds (of the share on the left, geometric "
        "ones), thin lines are worlds; all numbers are exact.",
        worlds=worlds,
    )


def _counted(found: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of runs that came near enough to P. If none did, return all; then the figure is marked."""
    if not found.height:
        return found
    valid = found.filter("valid")
    return valid if valid.height else found


def _means(found: pl.DataFrame, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean log share of other styles, as a share, and mean content entropy, for each value of a key."""
    other = (1.0 - pl.col("mass")).log().mean().exp()
    mean = found.group_by(key).agg(other.alias("other"), pl.col("content").mean()).sort(key)
    return mean["other"].to_numpy(), mean["content"].to_numpy()


def _content(axes: Axes, paths: pl.DataFrame) -> None:
    for part, (label, look) in ARMS.items():
        own = paths.filter(part=part, phase="sft", k=0)
        if not own.height:
            continue
        for _, run in own.sort("step").group_by("run", maintain_order=True):
            axes.plot(
                1.0 - run["mass"],
                run["content"],
                color=look.colour,
                linestyle=look.dashes,
                linewidth=0.4 * factor(),
                alpha=0.25,
            )
        axes.plot(*_means(own, "step"), label=say(label), markevery=2, **look.line)
    base = paths.filter(part="examples_style", phase="pretrain")
    base = base.filter(pl.col("step") == pl.col("step").max())
    other, content = _means(base, "k")
    look = DISTRIBUTIONS["q0"]
    axes.plot(other, content, label=say("base model with examples"), zorder=4, **{**look.points, "color": "#000000"})
    for numbers, at in _apart(other):
        where, text = (other[at], content[at]), ", ".join(map(str, numbers))
        axes.annotate(text, where, (0, 6 * factor()), textcoords="offset points", ha="center", fontsize="small")
    truth = paths.filter(phase="truth", k=0)["content"].to_numpy().mean()
    axes.axhline(truth, color=GUIDE, linestyle="--", linewidth=0.9 * factor(), zorder=0, label=say("exact Bayes"))
    axes.set_xscale("log")
    axes.invert_xaxis()
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.12 * (high - low))
    axes.set(xlabel=say("answers in other styles"), ylabel=say("entropy of the content [nat]"))
    head(axes, say("Content at equal style"))


def _recall(axes: Axes, recall: pl.DataFrame) -> None:
    for phase, (label, look) in RECALLED.items():
        own = recall.filter(phase=phase)
        if phase == "sft":
            for _, run in own.sort("k").group_by("run", maintain_order=True):
                axes.plot(run["k"], run["mass"], color=look.colour, linewidth=0.4 * factor(), alpha=0.4)
        mean = own.group_by("k").agg(pl.col("mass").mean()).sort("k")
        axes.plot(mean["k"], mean["mass"], label=say(label), **look.line)
    held = _held(recall)
    axes.plot(held["k"], held["mass"], label=say("if the gate held in full"), color=GUIDE, linestyle=":", marker="x")
    axes.xaxis.set_major_locator(FixedLocator(sorted(recall["k"].unique().to_list())))
    axes.set(ylim=(-0.03, 1.05), xlabel=say("examples of the lost style"), ylabel=say("answers in the lost style"))
    head(axes, say("A lost style recalled"))


def _held(recall: pl.DataFrame) -> pl.DataFrame:
    """The mass of the lost style if the gate took as much from its log-odds after examples as without; a mean."""
    odds = {phase: recall.filter(phase=phase).select("run", "k", "odds") for phase in ("identity", "sft")}
    gate = odds["sft"].filter(k=0).join(odds["identity"].filter(k=0), on="run", suffix="_control")
    gate = gate.select("run", gate=pl.col("odds") - pl.col("odds_control"))
    both = odds["identity"].join(gate, on="run").with_columns(held=pl.col("odds") + pl.col("gate"))
    return both.group_by("k").agg((1.0 / (1.0 + (-pl.col("held")).exp())).mean().alias("mass")).sort("k")


def _apart(values: np.ndarray) -> list[tuple[list[int], int]]:
    """Group the numbers of values that lie within a factor of `NEAR`. Return each group with its first number."""
    found: list[tuple[list[int], int]] = []
    for number, value in enumerate(values):
        for group, first in found:
            if max(value / values[first], values[first] / value) < NEAR:
                group.append(number)
                break
        else:
            found.append(([number], number))
    return found
