"""C2.6: which quantity predicts best how much a run forgets."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import Look, looks
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "race", "entrants")

TARGETS = {"forgotten": ("on all prompts", Look("#0072B2", "o")), "elsewhere": ("elsewhere", Look("#D55E00", "s"))}


def draw(tables: Tables) -> Figure | None:
    """Draw R² of every predictor of forgetting, a mark per seed, and forgetting elsewhere against the forward KL."""
    if not tables["race"].height:
        return None
    drawn, (ranks, cloud) = figure(3.4, 2, sharey=False)
    _ranks(ranks, tables["race"])
    runs = tables["entrants"]
    optimizers = sorted(runs["optimizer"].unique())
    for name, look in looks(optimizers).items():
        own = runs.filter(optimizer=name)
        label = {"sgd": "SGD", "adam": "Adam"}.get(name, name)
        points = {**look.points, "markersize": 2.5 * factor(), "alpha": 0.7}
        cloud.plot(own["forward KL"], own["elsewhere"], label=label, **points)
    cloud.set(
        xlabel=say("forward KL on the prompts of $S$,\n$KL(q_0\\|q)$ [nat]"), ylabel=say("forgotten elsewhere [nat]")
    )
    cloud.set_title(say("Forgotten on other prompts"))
    cloud.legend()
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C2.6. Left: how well each quantity, measured on the prompts of S, predicts what a run forgets: "
        "R² of a parabola over the runs of a seed, a mark for each of {seeds}; on all prompts, and "
        "elsewhere, on those that S never has. Right: forgetting elsewhere against the forward KL, a mark "
        "for each run. All numbers of runs are exact.",
        seeds=num_seeds(tables["race"]),
    )


def _ranks(axes: Axes, found: pl.DataFrame) -> None:
    order = found.filter(target="elsewhere").group_by("predictor").agg(pl.col("r2").mean()).sort("r2")["predictor"]
    for shift, (target, (name, look)) in zip((0.16, -0.16), TARGETS.items(), strict=True):
        for place, predictor in enumerate(order):
            r2 = found.filter(target=target, predictor=predictor)["r2"].to_numpy()
            heights, label = np.full(len(r2), place + shift), say(name) if place == 0 else None
            axes.plot(r2, heights, label=label, markersize=3 * factor(), **look.points)
    axes.set_yticks(range(len(order)), [say(name) for name in order])
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel=say("R² over the runs of a seed"), title=say("What predicts forgetting"), xlim=(-0.05, 1.03))
    axes.legend(loc="center left", title=say("forgotten"))
