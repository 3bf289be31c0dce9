"""C3.4: the entropy of answers to held-out prompts over the steps, by annotator."""

import polars as pl
from matplotlib.figure import Figure

from figures.c3_answers.entropy import PROMPTS, widest
from figures.colours import DISTRIBUTIONS, look
from figures.curves import Tables, mean_over, num_seeds
from figures.language import say
from figures.style import factor, figure, step_axis

TABLES = ("runs", "paths")


def draw(tables: Tables) -> Figure | None:
    """Draw the mean H(q) over the steps on both kinds of prompts, a line for each annotator."""
    lines = annotators(tables)
    if not lines:
        return None
    drawn, panels = figure(3.6, 2)
    for axes, (prompts, title) in zip(panels, PROMPTS.items(), strict=True):
        truth = float(widest(tables, "runs", "annotators", "cells")[f"h_p_{prompts}"].drop_nulls().to_numpy().mean())
        axes.axhline(truth, **{**DISTRIBUTIONS["P"].line, "marker": ""}, linewidth=0.8 * factor(), label="$H(P)$")
        for place, (name, path) in enumerate(lines.items()):
            mean = mean_over(path, "step", f"h_{prompts}")
            axes.plot(mean["step"], mean[f"h_{prompts}"], label=say(name), **look(place).line)
        step_axis(axes, max(int(path["step"].to_numpy().max()) for path in lines.values()))
        axes.set_ylim(bottom=-0.1)
        axes.set_title(say(title))
    panels[0].set_ylabel(say("$H(q)$ [nat per answer]"))
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, handlelength=2.4)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    tempered = widest(tables, "paths", "annotators").filter(annotator="tempered")
    return say(
        "C3.4. Entropy of the tuned model's answers by annotator. The homogeneous one always gives the "
        "likeliest answer, and the sampled one gives one answer to each prompt; tempered ones give "
        "infinitely many answers from P^(1/τ). Means over worlds ({seeds} for tempered annotators, "
        "{seeds2} for the others), middles of certified bounds.",
        seeds=num_seeds(tempered),
        seeds2=num_seeds(widest(tables, "paths", "annotators")),
    )


def annotators(tables: Tables) -> dict[str, pl.DataFrame]:
    """Return the paths of every annotator by its name."""
    paths = widest(tables, "paths", "annotators", "cells", "infinite")
    if not paths.height:
        return {}
    paths = paths.filter(pl.col("rate") == pl.col("rate").max(), targets="sampled")
    found = {
        "homogeneous": paths.filter(annotator="homogeneous"),
        "sampled, $m = 1$": paths.filter(pl.col("part").str.starts_with("cells"), m=1),
    }
    tempered = paths.filter(annotator="tempered").sort("temperature", "step")
    for (tau,), own in tempered.group_by("temperature", maintain_order=True):
        found[say(r"tempered, $\tau = {tau:g}$", tau=tau)] = own
    found["sampled, infinitely many"] = paths.filter(pl.col("part").str.starts_with("infinite"))
    return {name: path for name, path in found.items() if path.height}
