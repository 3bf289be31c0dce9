"""C2.8: what is erased, E, against the excursion X, with all arms on one plot."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE, STYLE_CYCLE, Look
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "arms")

SHAPES = "os^vDP*X<>ph"
"""Shapes of the marks. They are filled first and then hollow, so that every arm has a mark of its own."""

LINEAR = 0.1
"""The axis of E is logarithmic beyond this value on both sides of 0 [nat]."""


def draw(tables: Tables) -> Figure | None:
    """Draw E against X: a small mark for every run, and a large one for the mean of every arm."""
    arms = shown(tables)
    if not arms.height:
        return None
    drawn, (axes,) = figure(4.2, 1)
    for name, (look, hollow) in marks(arms).items():
        own = arms.filter(arm=name)
        kind = look.hollow if hollow else look.points
        axes.plot(own["x"], own["e"], markersize=2.2 * factor(), alpha=0.5, **kind)
        mean = own.select(pl.col("x").log().mean().exp(), pl.col("e").mean()).row(0)
        axes.plot(*mean, label=say(name), markersize=6.5 * factor(), **kind)
    axes.axhline(0.0, color=GUIDE, linewidth=0.7 * factor(), zorder=0)
    axes.set(xscale="log", xlabel=say("excursion $X$ [nat]"), ylabel=say("erased behind the gate, $E$ [nat]"))
    axes.set_yscale("symlog", linthresh=LINEAR, linscale=0.6)
    _ticks(axes, arms)
    drawn.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    arms = tables["arms"]
    left = arms.height - shown(tables).height
    return say(
        "C2.8. What fine-tuning erases behind the gate, E, against the excursion X, the largest KL(S‖q) "
        "above that of the optimum after the first step within 0.05 nats of it. Every arm reaches S: a "
        "small mark for each run, and a large one for an arm (mean of E, geometric mean of X), {seeds}. "
        "Hollow marks are interventions on the base arm, and the arms that the curve does not cover "
        "(FINCH, replay). E is exact, and X is exact but for the rounding of float32. {left} of {height} "
        "runs are left out, because they do not fit or have no X.",
        seeds=num_seeds(arms),
        left=left,
        height=arms.height,
    )


def shown(tables: Tables) -> pl.DataFrame:
    """Return the arms that fit and that have an excursion above 0."""
    arms = tables["arms"]
    return arms.filter("fits", pl.col("x") > 0.0) if arms.height else arms


def marks(arms: pl.DataFrame) -> dict[str, tuple[Look, bool]]:
    """Return the look of every arm, and whether its marks are hollow, in the order of the mean E, largest first."""
    means = arms.group_by("arm", "role").agg(pl.col("e").mean()).sort("e", "arm", descending=True)
    found, used = {}, {True: 0, False: 0}
    for name, role, _ in means.rows():
        hollow = role != "plain"
        place = used[hollow]
        used[hollow] += 1
        shift = 3 * hollow
        found[name] = Look(STYLE_CYCLE[(place + shift) % len(STYLE_CYCLE)], SHAPES[place % len(SHAPES)]), hollow
    return found


def _ticks(axes: Axes, arms: pl.DataFrame) -> None:
    """Few ticks with plain numbers on both axes, around the data."""
    low, high = (float(end) for end in (arms["x"].to_numpy().min(), arms["x"].to_numpy().max()))
    places = [one for one in (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0) if low / 2 <= one <= 2 * high]
    axes.set_xticks(places, [f"{one:g}" for one in places])
    axes.set_xticks([], minor=True)
    top = max(float(arms["e"].to_numpy().max()), LINEAR)
    bottom = min(float(arms["e"].to_numpy().min()), 0.0)
    places = [-1.0, -0.1, 0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]
    kept = [one for one in places if 1.2 * bottom <= one <= 1.2 * top]
    axes.set_yticks(kept, [f"{one:g}".replace("-", "−") for one in kept])
    axes.set_yticks([], minor=True)
    axes.set_ylim(1.2 * bottom - 0.3 * LINEAR, 1.3 * top)
