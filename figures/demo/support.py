"""The number of answers with probability at least eps, for truths and models. Bands show certified bounds."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, Look
from figures.curves import Tables, common_law, is_control, phases, rows, tuned
from figures.labels import Label, beside
from figures.language import say
from figures.style import factor, figure
from figures.words import averaged, control_name, data, has_prompts, method, under

TABLES = ("metrics", "phases", "run")

WIDTHS = {"P": 1.0, "S": 1.3, "q0": 4.5, "q": 3.2, "control": 2.2}
"""Line widths. Curves that coincide are drawn inside each other: base, control, P."""


def draw(tables: Tables) -> Figure:
    """Draw one panel with two logarithmic axes under one law of prompts. An eps that no answer reaches is left out."""
    metrics, law = tables["metrics"], common_law(tables["metrics"])
    drawn, (axes,) = figure(3.4, 1, share=0.8)
    main = phases(tables, "fine-tuning")[0]
    last = {phase: int(rows(metrics, phase, "epsilon_support")["step"].to_numpy().max()) for phase in tuned(tables)}
    shown = [
        (main, 0, "q", "q0", say("$q_0$ (before)")),
        (main, last[main], "q", "q", say("$q$ (after {method})", method=method(tables))),
    ]
    shown += [(one, last[one], "q", "control", control_name(tables, one)) for one in last if is_control(tables, one)]
    shown += [("truth", 0, of, of, f"${of}$") for of in ("P", "S")]
    highest, labels = 1.0, []
    for place, (phase, step, of, look, name) in enumerate(shown):
        found = support(metrics, phase, step, of, law)
        _curve(axes, found, DISTRIBUTIONS[look], WIDTHS[look], 2.0 + 0.1 * place)
        highest = max(highest, float(found["upper"].to_numpy().max()) if of != "q" else 1.0)
        labels.append(Label(name, float(found["lower"][0]), DISTRIBUTIONS[look].colour))
    kind = "an answer" if has_prompts(tables) else "a string"
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=under(say(rf"threshold $\varepsilon$ [probability of {kind}]"), averaged(tables, law)),
    )
    axes.set_ylim(0.5, 8.0 * highest)
    counted = r"answers per prompt with $q(y\,|\,x)$" if has_prompts(tables) else "strings with $q(y)$"
    axes.set_ylabel(say(rf"{counted} $\geq \varepsilon$"))
    axes.invert_xaxis()
    axes.margins(x=0.0)
    beside(axes, labels)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    kind = "answers per prompt" if has_prompts(tables) else "strings"
    return say(
        "Number of {kind} whose probability is at least ε, for every threshold that was evaluated (the "
        "marks). Bands are certified bounds, and the line is the lower one; where there is no band, the "
        "number is exact. A threshold that no answer reaches is left out. {data}.",
        kind=kind,
        data=data(tables),
    )


def _curve(axes: Axes, found: pl.DataFrame, look: Look, width: float, zorder: float) -> None:
    """Draw a step curve. The steps are halfway between the evaluated eps, which have marks."""
    epsilons, lower, upper = (found[column].to_numpy() for column in ("epsilon", "lower", "upper"))
    there = lower > 0.0
    wide: dict[str, Any] = {"linewidth": width * factor(), "markersize": (width + 1.5) * factor(), "markevery": 2}
    axes.plot(epsilons[there], lower[there], drawstyle="steps-mid", zorder=zorder, **look.line, **wide)
    if (upper > lower).any():
        band: dict[str, Any] = {"where": upper > lower, "step": "mid", "alpha": 0.2, "linewidth": 0}
        axes.fill_between(epsilons, np.maximum(lower, 1e-12), upper, color=look.colour, **band)


def support(metrics: pl.DataFrame, phase: str, step: int, of: str, law: str) -> pl.DataFrame:
    """Return the curve of one distribution under one prompt law: epsilon, lower, upper, by rising epsilon."""
    found = rows(metrics, phase, "epsilon_support", law=law).filter((pl.col("step") == step) & (pl.col("of") == of))
    epsilon = pl.col("at").cast(pl.Float64).alias("epsilon")
    return found.select(epsilon, "lower", "upper").sort("epsilon")
