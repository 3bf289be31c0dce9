"""C2.2: decay of the mass that the data leave out, under SGD and under Adam, compared with the laws."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE, Look, looks
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
        for name, look in looks(models(paths)).items():
            for _, path in own.filter(model_shown=name).group_by("run"):
                path = path.filter(pl.col("step") > 0).sort("step")
                wide = 3.0 if name.startswith("flat") else 1.0  # under Adam the curves of the two tables coincide
                axes.plot(path["step"], path["lost"], linewidth=wide * factor(), **look.line, markevery=0.3)
    _guides(tables["laws"], sgd, adam, looks(models(paths)))
    for axes, optimizer in ((sgd, "sgd"), (adam, "adam")):
        _names(axes, paths.filter(optimizer=optimizer), looks(models(paths)))
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return (
        "C2.2. Mass of the answers that the data leave out, over the steps of fine-tuning; a line for each run, "
        f"{num_seeds(long_paths(tables))}, all numbers exact. Dashed, under SGD: the power 1/t. Dashed, under Adam: "
        "the exponential law of the tables, and for the transformer the fastest late rate that Adam allows, "
        "½ |log β₂| per step. Only the slopes of the dashed lines mean something."
    )


def long_paths(tables: Tables) -> pl.DataFrame:
    """Return the long runs of tables and transformers."""
    splits = tables["splits"]
    return splits.filter(pl.col("part").str.starts_with("decay")) if splits.height else splits


def models(paths: pl.DataFrame) -> list[str]:
    """The models in words, tables first."""
    return sorted(paths["model_shown"].unique())


def _names(axes: Axes, paths: pl.DataFrame, named: dict[str, Look]) -> None:
    """Write the names of the models at the ends of their lines."""
    labels = []
    for name, look in named.items():
        own = paths.filter(pl.col("step") == pl.col("num_steps"), model_shown=name)
        if own.height:
            labels.append(Label(name, float(np.exp(np.log(own["lost"].to_numpy()).mean())), look.colour))
    beside(axes, labels)


def _guides(laws: pl.DataFrame, sgd: Axes, adam: Axes, named: dict[str, Look]) -> None:
    """Dashed: the power -1; the rate of the law of the tables; the fastest late rate that Adam allows."""
    late = laws.filter(optimizer="sgd")
    dashed: dict[str, Any] = {"linestyle": "--", "linewidth": factor()}
    if late.height:
        last = float(late["num_steps"].to_numpy().max())
        steps = np.array([last / 100, last])
        top = float(late["end"].to_numpy().max()) * 3
        sgd.plot(steps, top * last / steps, color=GUIDE, **dashed)
        sgd.annotate("$1/t$", (steps[0], top * 100), (4, 2), textcoords="offset points", fontsize="small", color=GUIDE)
    for name, look in named.items():
        own = laws.filter(model_shown=name, optimizer="adam")
        if own.height:
            rate = float(own["law" if "table" in name else "ceiling"].to_numpy()[0])
            last, end = float(own["num_steps"].to_numpy()[0]), float(own["end"].to_numpy().mean())
            steps = np.array([last / 2, last])
            adam.plot(steps, 0.5 * end * np.exp(rate * (last - steps)), color=look.colour, **dashed)
