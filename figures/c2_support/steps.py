"""C2.8, second attempt: what is erased, E, against the squared length of all steps, Q."""

import polars as pl
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from figures.colours import STYLE_CYCLE, Look
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "steps")

ARMS = {
    "steps_low": ("1,000 steps at 5e-4", 0, "o", False),
    "steps_low_long": ("4,000 steps at 2.5e-4", 0, "s", False),
    "steps_constant": ("constant 3.1e-4", 0, "D", False),
    "steps_middle": ("1,000 steps at 1e-3", 1, "v", False),
    "steps_middle_long": ("4,000 steps at 5e-4", 1, "^", False),
    "steps_base": ("1,000 steps at 2e-3", 2, "p", False),
    "steps_exact": ("2e-3, exact targets", 6, "*", False),
    "steps_sgd": ("SGD 0.1, exact targets", 6, "h", False),
    "steps_small_batch": ("1e-3, batches of 16", 4, "P", False),
    "steps_large_batch": ("1e-3, batches of 128", 4, "X", False),
    "steps_grafted_middle": ("undivided, 1e-3", 3, "^", True),
    "steps_grafted": ("undivided, 2e-3", 3, "v", True),
    "steps_eps": ("2e-3, ε = 0.01", 5, "o", True),
    "steps_small_batch_eps": ("1e-3, 16, ε = 0.01", 5, "P", True),
    "steps_large_batch_eps": ("1e-3, 128, ε = 0.01", 5, "X", True),
}
"""Every part of the second attempt: its name, the index of its colour, its shape, and whether its marks are hollow."""


def draw(tables: Tables) -> Figure | None:
    """Draw E against Q: a small mark for every run, and a large one for the geometric mean of an arm."""
    found = shown(tables)
    if not found.height:
        return None
    drawn, (axes,) = figure(4.0, 1)
    for part, (name, colour, shape, hollow) in ARMS.items():
        own = found.filter(part=part)
        if not own.height:
            continue
        look = Look(STYLE_CYCLE[colour % len(STYLE_CYCLE)], shape)
        kind = look.hollow if hollow else look.points
        axes.plot(own["q"], own["e"], markersize=2.2 * factor(), alpha=0.45, **kind)
        mean = own.select(pl.col("q").log().mean().exp(), pl.col("e").log().mean().exp()).row(0)
        axes.plot(*mean, label=say(name), markersize=7.0 * factor(), **kind)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=say("squared length of all steps, $Q$"),
        ylabel=say("erased behind the gate, $E$ [nat]"),
    )
    for axis, ends in ((axes.xaxis, found["q"]), (axes.yaxis, found["e"])):
        _ticks(axis, float(ends.to_numpy().min()), float(ends.to_numpy().max()))
    drawn.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return drawn


def _ticks(axis: Axis, low: float, high: float) -> None:
    """Plain numbers, 1 or 3 times a power of ten, around the data."""
    places = [one * 10.0**power for power in range(-4, 4) for one in (1, 3)]
    kept = [one for one in places if low / 1.5 <= one <= 1.5 * high]
    axis.set_major_locator(FixedLocator(kept))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    steps = tables["steps"]
    left = steps.height - shown(tables).height
    return say(
        "C2.8, second attempt, in worlds that no run had seen. What fine-tuning erases behind the gate, "
        "E, against Q, the sum of the squared Euclidean lengths of all steps. A small mark is a run, and "
        "a large one the geometric mean of an arm, {seeds}. Undivided steps are as long as Adam's, "
        "without the division of each coordinate. E is exact, and Q is exact but for the rounding of "
        "float32. {left} of {height} runs are left out, because they do not fit or E is not above 0.",
        seeds=num_seeds(steps),
        left=left,
        height=steps.height,
    )


def shown(tables: Tables) -> pl.DataFrame:
    """Return the runs that fit and that erase something."""
    steps = tables["steps"]
    return steps.filter("fits", pl.col("e") > 0.0) if steps.height else steps
