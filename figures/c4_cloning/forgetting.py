"""C4.4: what is forgotten within A at a matched gate, by how much narrower than P_A the data are, beside RL."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from figures.c4_cloning.weights import counted
from figures.colours import GUIDE, Look
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "forgetting", "gates")

LEVEL = 0.999
"""The level of q(A) at which forgetting is shown on the left."""

LOOKS = {
    "oracle": ("SFT on $P_A$", Look("#009E73", "D")),
    "sampled": ("SFT on $P_A$, sampled", Look("#7A7A7A", "P", (0, (5, 1.5, 1, 1.5)))),
    "rejection": ("rejection + SFT", Look("#56B4E9", "s", (0, (5, 1.5)))),
    "klpg": ("KL policy gradient", Look("#E69F00", "^", (0, (1.5, 1)))),
    "pg": ("policy gradient", Look("#D55E00", "v", (0, (8, 2)))),
    "tilted": ("SFT on narrower $S$", Look("#0072B2", "o", (0, (3, 1)))),
}

LINEAR = 1e-3
"""The axis of forgetting is logarithmic beyond this value [nat]."""


def draw(tables: Tables) -> Figure | None:
    """Draw forgetting against KL(S‖P_A) on tables with the other arms as lines, and the paths of the transformer."""
    gates, paths = tables["gates"], _paths(tables)
    if not gates.height or not paths.height:
        return None
    drawn, (left, right) = figure(3.6, 2)
    arms = pl.col("part").str.extract("_([a-z]+)$").alias("arm")
    found = gates.filter(pl.col("part").str.starts_with("forget_table"), level=LEVEL).with_columns(arms)
    for name, (label, look) in LOOKS.items():
        own = found.filter(arm=name)
        if name == "tilted" and own.height:
            left.plot(own["narrowed"], own["forgot"], markersize=2.5 * factor(), alpha=0.5, **look.points)
            mean = own.group_by("restriction").agg(pl.col("narrowed", "forgot").mean()).sort("narrowed")
            left.plot(mean["narrowed"], mean["forgot"], label=say(label), **look.line)
        elif own.height:
            left.axhline(own["forgot"].to_numpy().mean(), color=look.colour, linestyle=look.dashes, label=say(label))
    left.set(xscale="log", xlabel=say(r"how narrow the data are, $KL(S\|P_A)$ [nat]"))
    left.set(
        ylabel=say(r"forgotten within $A$, $KL(P_A\|q_A)$ [nat]"),
        title=say("Tables, at $q(A) = {level:g}$", level=LEVEL),
    )
    _paths_of(right, paths)
    left.xaxis.set_minor_formatter(NullFormatter())
    left.set_yscale("symlog", linthresh=LINEAR, linscale=0.4)
    left.set_yticks([0.0, 0.001, 0.01, 0.1, 1.0, 10.0], ["0", "0.001", "0.01", "0.1", "1", "10"])
    left.set_ylim(-2e-4, 20.0)
    handles = dict(zip(*reversed(left.get_legend_handles_labels()), strict=True))
    handles |= dict(zip(*reversed(right.get_legend_handles_labels()), strict=True))
    drawn.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C4.4. Forgetting within A, KL(P_A‖q_A). Left: at q(A) = 0.999, tables and exact gradients, "
        "against KL(S‖P_A) of the data; lines: other arms, three of them near 0. Right: along the "
        "training of the transformer, against the mass that is still outside A, from the left. Thin lines "
        "are runs and thick lines are means; dotted: the levels q(A) = 0.9, 0.99 and 0.999. {seeds}; "
        "values at a level are read between two evaluations.",
        seeds=num_seeds(_paths(tables)).capitalize(),
    )


def _paths(tables: Tables) -> pl.DataFrame:
    found = counted(tables["forgetting"])
    return found.filter(phase="sft") if found.height else found


def _paths_of(axes: Axes, paths: pl.DataFrame) -> None:
    for name, (label, look) in LOOKS.items():
        own = paths.filter(part=f"forget_net_{name}")
        for _, run in own.sort("step").group_by("run", maintain_order=True):
            axes.plot(
                1.0 - run["gate"].to_numpy(),
                run["forgot"],
                color=look.colour,
                linestyle=look.dashes,
                linewidth=0.6 * factor(),
                alpha=0.5,
            )
        if own.height:
            mean = own.group_by("step").agg(pl.col("forgot").mean(), gate=(1.0 - pl.col("gate")).log().mean().exp())
            mean = mean.sort("step")
            axes.plot(mean["gate"], mean["forgot"], label=say(label), markevery=5, **look.line)
    for level in (0.9, 0.99, 0.999):
        axes.axvline(1.0 - level, color=GUIDE, linewidth=0.6 * factor(), linestyle=":", zorder=0)
    axes.set(xscale="log", xlabel=say("mass outside $A$, $1 - q(A)$"), title=say("Transformer"))
    axes.set_xlim(1.0, max(1e-5, float(np.min(1.0 - paths["gate"].to_numpy()[paths["gate"].to_numpy() < 1.0]))))
