"""C2.2: decay of the mass that the data leave out, under SGD and under Adam, compared with the laws."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE, MARKERS, STYLE_CYCLE, Look
from figures.curves import Tables, num_seeds
from figures.labels import Label, beside
from figures.style import factor, figure

TABLES = ("runs", "splits", "laws")


def draw(tables: Tables) -> Figure | None:
    """Draw q_t(B) of every model: under SGD on two logarithmic axes, under Adam over steps; with the laws."""
    paths = long_paths(tables)
    if not paths.height:
        return None
    drawn, (sgd, adam) = figure(3.3, 2)
    sgd.set(xscale="log", yscale="log", title="SGD", xlabel="fine-tuning step $t$", ylabel="lost mass, $q_t(B)$")
    adam.set(title="Adam", xlabel="fine-tuning step $t$")
    for axes, optimizer in ((sgd, "sgd"), (adam, "adam")):
        own = paths.filter(optimizer=optimizer)
        for name, look in looks(paths).items():
            for _, path in own.filter(model_shown=name).group_by("run", maintain_order=True):
                path = path.filter(pl.col("step") > 0).sort("step")
                wide = 3.0 if name.startswith("flat") else 1.0  # under Adam the curves of the two tables coincide
                axes.plot(path["step"], path["lost"], linewidth=wide * factor(), **look.line, markevery=0.3)
    _guides(tables["laws"], sgd, adam)
    for axes, optimizer in ((sgd, "sgd"), (adam, "adam")):
        _names(axes, paths.filter(optimizer=optimizer), looks(paths))
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return (
        "C2.2. Mass of the answers that the data leave out, over the steps of fine-tuning; a line for each run, "
        f"{num_seeds(long_paths(tables))}, all numbers exact. The dashed lines are laws, of which only the slopes mean "
        "something. Under SGD it is the power 1/t. Under Adam it is the exponential law of the tables, and for the "
        "transformer the fastest late rate that Adam allows, ½ |log β₂| per step."
    )


def long_paths(tables: Tables) -> pl.DataFrame:
    """Return the long runs of tables and transformers."""
    splits = tables["splits"]
    return splits.filter(pl.col("part").str.starts_with("decay")) if splits.height else splits


def looks(paths: pl.DataFrame) -> dict[str, Look]:
    """Solid lines for the models, in words and in the order of their names; dashes are for the laws."""
    names = sorted(paths["model_shown"].unique())
    return {name: Look(STYLE_CYCLE[place], MARKERS[place]) for place, name in enumerate(names)}


def _names(axes: Axes, paths: pl.DataFrame, named: dict[str, Look]) -> None:
    """Write the names of the models at the ends of their lines."""
    labels = []
    for name, look in named.items():
        own = paths.filter(pl.col("step") == pl.col("num_steps"), model_shown=name)
        if own.height:
            end = float(np.exp(np.log(own["lost"].to_numpy()).mean()))
            labels.append(Label(name, end, look.colour, float(own["step"].to_numpy().max())))
    beside(axes, labels)


def _guides(laws: pl.DataFrame, sgd: Axes, adam: Axes) -> None:
    """Dashed: the power -1; the rate of the law of the tables; the fastest late rate that Adam allows."""
    late = laws.filter(optimizer="sgd")
    if late.height:
        last = float(late["num_steps"].to_numpy().max())
        steps = np.array([last / 100, last])
        _guide(sgd, steps, float(late["end"].to_numpy().max()) * 3 * last / steps, "$1/t$")
    for column, own, name in (
        ("law", laws.filter(pl.col("model").str.starts_with("tabular"), optimizer="adam"), "law of the tables"),
        ("ceiling", laws.filter(~pl.col("model").str.starts_with("tabular"), optimizer="adam"), "Adam's fastest rate"),
    ):
        if own.height:
            rate, last = float(own[column].to_numpy()[0]), float(own["num_steps"].to_numpy()[0])
            steps = np.array([last / 2, last])
            heights = 0.5 * float(own["end"].to_numpy().mean()) * np.exp(rate * (last - steps))
            _guide(adam, steps, heights, name, below=column == "law")  # the lines of the tables are above it


def _guide(axes: Axes, steps: np.ndarray, heights: np.ndarray, name: str, below: bool = False) -> None:
    """A dashed line and its name, above its beginning or below its end."""
    axes.plot(steps, heights, color=GUIDE, linestyle="--", linewidth=factor())
    at, shift = (-1, (0, -6)) if below else (0, (0, 3))
    axes.annotate(
        name, (float(steps[at]), float(heights[at])), shift, textcoords="offset points", fontsize="small", color=GUIDE,
        ha="right" if below else "left", va="top" if below else "bottom",
    )  # fmt: skip
