"""C2.3: forgetting, split into gate, kept and erasure."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import HATCHES, PARTS
from figures.curves import Tables, mean_over, num_seeds
from figures.language import say
from figures.style import figure, step_axis

TABLES = ("runs", "splits")

NAMES = {"gate": "gate: mass moved", "kept": "within the kept part", "erasure": "erasure: within the lost part"}


def draw(tables: Tables) -> Figure | None:
    """Draw KL(P||q_t) as a stack of gate, kept and erasure, for all models under SGD, for transformers under Adam."""
    paths = drawn_paths(tables)
    if not paths.height:
        return None
    keys = ["optimizer", "model_shown", "targets"]
    cases = paths.select(keys).unique(maintain_order=True).sort(keys, descending=[True, False, False])
    drawn, panels = figure(3.0, cases.height)
    for axes, (optimizer, model, targets) in zip(panels, cases.rows(), strict=True):
        _stack(axes, paths.filter(model_shown=model, optimizer=optimizer, targets=targets))
        words = "{model},\nSGD" if optimizer == "sgd" else "{model},\nAdam, {targets}"
        axes.set_title(say(words, model=model.capitalize(), targets=targets), fontsize="small")
    panels[0].set_ylabel(say(r"forgotten, $KL(P\|q_t)$ [nat]"))
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C2.3. KL(P‖q_t) of the answers, prompts x ~ P(x), exactly the sum of three parts: gate (mass "
        "that moved from the lost answers to the kept ones), wrong proportions within the kept part, and "
        "erasure (wrong proportions within the lost part, weighted by P). One style is kept. Under Adam "
        "the targets are exact or sampled. Means over {seeds}; all numbers are exact.",
        seeds=num_seeds(drawn_paths(tables)),
    )


def drawn_paths(tables: Tables) -> pl.DataFrame:
    """Return the long runs under SGD, and the runs under Adam that learn again afterwards."""
    splits = tables["splits"]
    if not splits.height:
        return splits
    long = pl.col("part").str.starts_with("decay") & (pl.col("optimizer") == "sgd")
    return splits.filter(long | ((pl.col("part") == "recovery") & (pl.col("restriction_kind") == "style")))


def _stack(axes: Axes, own: pl.DataFrame) -> None:
    mean = mean_over(own, "step", *NAMES)
    colours = [PARTS[name] for name in NAMES]
    parts = [mean[name].to_numpy() for name in NAMES]
    bands = axes.stackplot(
        mean["step"], *parts, colors=colours, labels=[say(name) for name in NAMES.values()], linewidth=0
    )
    for band, part in zip(bands, NAMES, strict=True):
        band.set(hatch=HATCHES.get(part, ""), edgecolor="white")
    step_axis(axes, int(mean["step"][-1]), say("step"), most=3)
    axes.get_xticklabels()[-1].set_horizontalalignment("right")  # or it would run into the next panel's zero
