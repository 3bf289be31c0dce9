"""C2.2: decay of the mass that the data leave out, under SGD and under Adam, compared with the laws."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE, MARKERS, STYLE_CYCLE, Look
from figures.curves import Tables, num_seeds
from figures.labels import Label, beside
from figures.language import say
from figures.style import factor, figure
from sim.theory.decay import adam_ceiling
from sim.theory.memory import corrected_memory_law, memory_law

TABLES = ("runs", "splits", "laws")

TIMES = np.geomspace(0.01, 5.0, 200)
"""Values of ρ t at which the law of Adam's memory is drawn."""


def draw(tables: Tables) -> Figure | None:
    """Draw q_t(B) of every model: under SGD over steps, under Adam over ρ t; with the laws. Axes are logarithmic."""
    paths = long_paths(tables)
    if not paths.height:
        return None
    drawn, (sgd, adam) = figure(3.3, 2)
    sgd.set(
        xscale="log",
        yscale="log",
        title="SGD",
        xlabel=say("fine-tuning step $t$"),
        ylabel=say("lost mass, $q_t(B)$"),
    )
    words = "$\\rho\\,t$, $\\rho=\\frac{1}{2}|\\log\\,\\beta_2|$"
    adam.set(xscale="log", yscale="log", title="Adam", xlabel=words)
    named = looks(paths)
    for axes, own in ((sgd, paths.filter(optimizer="sgd")), (adam, paths.filter(optimizer="adam"))):
        for (name, _), path in own.group_by("name", "run", maintain_order=True):
            axes.plot(path["time"], path["lost"], linewidth=factor(), **named[name].line, markevery=0.3)
    _power(tables["laws"], sgd)
    _memory(paths.filter(optimizer="adam"), adam)
    for axes, optimizer in ((sgd, "sgd"), (adam, "adam")):
        _names(axes, paths.filter(optimizer=optimizer), named)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C2.2. Mass of the answers that the data leave out, over the fine-tuning; a line for each run, "
        "{seeds}, all numbers exact. Left: SGD and the power 1/t, of which only the slope means "
        "something. Right: Adam, with time in units of its memory, 1/ρ. Dashed: the law 1/(exp(ρt) − 1), "
        "through the end of a table within its conditions, at the least β₂. Dotted: its two regimes, the "
        "power 1/t within the memory and exponential decay at the rate ρ after it. Dash-dotted: the law "
        "with the bias correction, whose first power is −3/2, at the largest β₂.",
        seeds=num_seeds(long_paths(tables)),
    )


def long_paths(tables: Tables) -> pl.DataFrame:
    """Return the long runs after their first step: their times (steps, or ρ t under Adam) and names.

    Of tables under Adam, only those within the conditions of the law of Adam's memory are returned.
    """
    splits, laws = tables["splits"], tables["laws"]
    if not splits.height or not laws.height:
        return pl.DataFrame()
    paths = splits.join(laws.select("run", "ceiling", "has_memory"), on="run", maintain_order="left")
    is_table = pl.col("model").str.starts_with("tabular")
    paths = paths.filter(pl.col("step") > 0, (pl.col("optimizer") == "sgd") | ~is_table | pl.col("has_memory"))
    long_name = pl.format("{}, β₂ = {}", "model_shown", "b2")
    name = pl.when(pl.col("optimizer") == "sgd").then(pl.col("model_shown")).otherwise(long_name)
    time = pl.col("step") * pl.col("ceiling").fill_null(1.0)
    return paths.with_columns(name=name, time=time).sort("name", "run", "step", maintain_order=True)


def looks(paths: pl.DataFrame) -> dict[str, Look]:
    """Solid lines for the models, in words and in the order of their names; dashes are for the laws."""
    models = sorted(paths["model_shown"].unique())
    found = {}
    for name in sorted(paths["name"].unique()):
        model = next(one for one in models if str(name).startswith(one))
        number = models.index(model) + (3 if "0.999" in name else 0)
        found[str(name)] = Look(STYLE_CYCLE[number], MARKERS[number])
    return found


def _names(axes: Axes, paths: pl.DataFrame, named: dict[str, Look]) -> None:
    """Write the names of the models at the ends of their lines."""
    labels = []
    for name, look in named.items():
        own = paths.filter(pl.col("step") == pl.col("num_steps"), name=name)
        if own.height:
            end = float(np.exp(np.log(own["lost"].to_numpy()).mean()))
            labels.append(Label(say(name.replace(", ", ",\n")), end, look.colour, float(own["time"].to_numpy().max())))
    beside(axes, labels)


def _power(laws: pl.DataFrame, axes: Axes) -> None:
    """Dashed: the power -1 over the last two decades."""
    late = laws.filter(optimizer="sgd")
    if late.height:
        last = float(late["num_steps"].to_numpy().max())
        steps = np.array([last / 100, last])
        heights = float(late["end"].to_numpy().max()) * 3 * last / steps
        axes.plot(steps, heights, color=GUIDE, linestyle="--", linewidth=factor())
        _word(axes, float(steps[0]), float(heights[0]), "$1/t$")


def _memory(paths: pl.DataFrame, axes: Axes) -> None:
    """The law of Adam's memory with its two regimes, for the least β₂, and the law with the correction for the largest.

    Each goes through the end of a table that is within the conditions.
    """
    tables = paths.filter("has_memory", pl.col("model").str.starts_with("tabular"))
    betas = sorted(tables["b2"].unique())
    low, high = axes.get_ylim()
    for beta2, law, dashes in zip(
        betas[:1] + betas[-1:], (memory_law, corrected_memory_law), ("--", "-."), strict=False
    ):
        steps = TIMES / adam_ceiling(beta2)
        own = tables.filter(pl.col("time") <= TIMES[-1], b2=beta2).sort("time")
        shift = float(np.log(own["lost"][-1]) - law(beta2, own["step"].to_numpy()[-1:])[0])
        _dashed(axes, np.exp(law(beta2, steps) + shift), dashes)
        if law is memory_law:
            _dashed(axes, np.exp(shift) / TIMES, ":")
            _dashed(axes, np.exp(shift - TIMES), ":")
    axes.set_ylim(low, high)


def _dashed(axes: Axes, heights: np.ndarray, dashes: str) -> None:
    axes.plot(TIMES[heights < 1.0], heights[heights < 1.0], color=GUIDE, linestyle=dashes, linewidth=factor(), zorder=3)


def _word(axes: Axes, x: float, y: float, name: str) -> None:
    axes.annotate(name, (x, y), (0, 3), textcoords="offset points", fontsize="small", color=GUIDE)
