"""How many answers have probability at least eps, for the truths and the models; a band where only bounds are known."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from figures._data import Tables, phases, rows
from figures.style import DISTRIBUTIONS, figure


def draw(tables: Tables) -> Figure:
    """One panel, both axes logarithmic; an eps with no answer at all has no place on it."""
    metrics = tables["metrics"]
    drawn, (axes,) = figure(3.2, 1, width=5.0)
    shown = [("truth", 0, "P", "P", "--"), ("truth", 0, "S", "S", "--")]
    last = {phase: int(rows(metrics, phase, "epsilon_support")["step"].max()) for phase in phases(metrics)}  # type: ignore[arg-type]
    shown += [("sft", 0, "q", "q0", "-"), ("sft", last["sft"], "q", "q", "-")]
    shown += [(phase, step, "q", "control", ":") for phase, step in last.items() if phase != "sft"]
    names = {"P": "$P$", "S": "$S$", "q0": "$q_0$ (base)", "q": "$q$ (after SFT)"}
    for phase, step, of, name, dashes in shown:
        curve = support(metrics, phase, step, of)
        label = names.get(name, f"{phase} control")
        epsilons, lower, upper = (curve[column].to_numpy() for column in ("epsilon", "lower", "upper"))
        there = lower > 0.0
        axes.plot(
            epsilons[there], lower[there], dashes, color=DISTRIBUTIONS[name], label=label, zorder=2 + (dashes == "--")
        )
        axes.fill_between(
            epsilons,
            np.maximum(lower, 1e-12),
            upper,
            where=upper > lower,
            color=DISTRIBUTIONS[name],
            alpha=0.2,
            linewidth=0,
        )
    axes.set(xscale="log", yscale="log", xlabel=r"threshold $\varepsilon$ [probability]")
    axes.set_ylim(0.5, 30.0 * float(rows(metrics, "truth", "epsilon_support", law="P(x)")["upper"].max()))  # type: ignore[arg-type]
    prompts = bool((tables["documents"]["prompt"] != "").any())
    counted = r"answers per prompt with $q(y\,|\,x)$" if prompts else "strings with $q(y)$"
    axes.set_ylabel(rf"{counted} $\geq \varepsilon$")
    axes.invert_xaxis()
    axes.legend(loc="upper left", title="band: certified bounds, line: lower one", title_fontsize=8, alignment="left")
    return drawn


def support(metrics: pl.DataFrame, phase: str, step: int, of: str) -> pl.DataFrame:
    """The curve of one distribution: epsilon, lower, upper, by rising epsilon."""
    found = rows(metrics, phase, "epsilon_support").filter(
        (pl.col("step") == step) & pl.col("of").str.starts_with(f"{of} eps=")
    )
    epsilon = pl.col("of").str.split("eps=").list.last().cast(pl.Float64).alias("epsilon")
    return found.select(epsilon, "lower", "upper").sort("epsilon")
