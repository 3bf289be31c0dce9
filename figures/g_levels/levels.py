"""G.1 to G.5: what is followed and what is forgotten, by the level of the rarer rule, and for a random event."""

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE, Look, looks
from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "means")

TARGETS = ("exact", "sampled")
"""Kinds of targets, in the order of the legend."""

PANELS = (
    ("followed", "followed", (1.0, 0.5)),
    ("excess", "excess [nat per string]", (0.0,)),
    ("derived", "derived [nat per token]", (0.0,)),
)
"""A number of the table of means, what its axis says, and where its guiding lines are."""

APART, BESIDE = 0.22, 0.09
"""Distance of the kinds of targets (twice as much with siblings), and half of that of a rule and its siblings."""


def draw(tables: Tables) -> Figure | None:
    """Draw three panels with an arm at every place of the horizontal axis: followed, excess, and derived."""
    means = tables["means"]
    if means.is_empty():
        return None
    arms = _arms(means)
    drawn, panels = figure(3.1, len(PANELS), sharey=False)
    for axes, (name, label, guides) in zip(panels, PANELS, strict=True):
        for guide in guides:
            axes.axhline(guide, color=GUIDE, linestyle=":", linewidth=0.8 * factor(), zorder=0)
        for place, (targets, own) in enumerate(looks(TARGETS).items()):
            shown, middle = means.filter(targets=targets), (place - 0.5) * APART
            if name == "derived":
                _points(axes, shown.filter(number="siblings"), arms, 2 * middle + BESIDE, own, "", False)
                middle = 2 * middle - BESIDE
            _points(axes, shown.filter(number=name), arms, middle, own, say(f"{targets} targets"))
        axes.set_xticks(range(len(arms)), [say("event") if level is None else str(level) for _, level in arms])
        axes.set_xlim(-0.5, len(arms) - 0.5)
        axes.set_xlabel(say("level of the rule"))
        axes.set_ylabel(say(label))
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


def _arms(means: pl.DataFrame) -> list[tuple[str, int | None]]:
    """The arms, from the lowest level to the highest, and then the event."""
    return means.select("arm", "level").unique().sort("level", nulls_last=True).rows()


def _points(
    axes: Axes,
    own: pl.DataFrame,
    arms: Sequence[tuple[str, int | None]],
    shift: float,
    look: Look,
    label: str,
    filled: bool = True,
) -> None:
    """Draw the mean of every arm with its interval."""
    at = [[arm for arm, _ in arms].index(name) + shift for name in own["arm"]]
    middle, low, high = (own[name].to_numpy() for name in ("estimate", "lower", "upper"))
    axes.errorbar(
        at, middle, yerr=[middle - low, high - middle], marker=look.marker, color=look.colour, linestyle="none",
        elinewidth=0.9 * factor(), fillstyle="full" if filled else "none", label=label or "_",
    )  # fmt: skip


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    runs = tables["runs"]
    used = runs.filter("valid", "fitted")
    return say(
        "G.1 to G.5. One rule of each level is rarer by the same KL(S‖P), level 1 next to the tokens, and a random "
        "event beside them. Left: share of the way from P to S. Middle: what is forgotten beside the cost of the "
        "change. Right: how wrong the model is about what the rarer rule derives (filled) and about what its siblings "
        "derive (open), beyond S and the control. Means over at most {worlds} worlds with 95 % intervals. {used} of "
        "{runs} runs are valid and at equal fit, and only these count if there are any. All are estimated from "
        "strings.",
        worlds=runs["seed"].n_unique(),
        used=used.height,
        runs=runs.height,
    )
