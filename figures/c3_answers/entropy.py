"""C3.2, C3.4: the entropy of answers to trained and to held-out prompts over the steps, by number of answers."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, Look, look
from figures.curves import Tables, mean_over, num_seeds
from figures.language import say
from figures.style import factor, figure, step_axis

TABLES = ("runs", "paths")

PROMPTS = {"trained": "Trained prompts", "held": "Held-out prompts"}
"""The two kinds of prompts, by the ends of the names of columns, and their panels."""


def draw(tables: Tables) -> Figure | None:
    """Draw the mean H(q) over the steps: a line for each m, infinitely many answers, and what the data alone lose."""
    paths = widest(tables, "paths", "cells", "infinite")
    if not paths.height:
        return None
    paths = paths.filter(pl.col("rate") == pl.col("rate").max(), targets="sampled")
    drawn, panels = figure(3.5, 2)
    for axes, (prompts, title) in zip(panels, PROMPTS.items(), strict=True):
        truth = float(widest(tables, "runs", "cells", "infinite")[f"h_p_{prompts}"].drop_nulls().to_numpy().mean())
        axes.axhline(truth, **{**DISTRIBUTIONS["P"].line, "marker": ""}, linewidth=0.8 * factor(), label="$H(P)$")
        for place, m in enumerate(numbers(paths)):
            one = look(place) if m is not None else DISTRIBUTIONS["control"]
            path = paths.filter(pl.col("m").is_null() if m is None else pl.col("m") == m)
            mean = mean_over(path, "step", f"h_{prompts}")
            name = "infinitely many" if m is None else f"$m = {m}$"
            axes.plot(mean["step"], mean[f"h_{prompts}"], label=say(name), **one.line)
            if m is not None:
                _level(axes, tables, prompts, m, truth, one)
        step_axis(axes, int(paths["step"].to_numpy().max()))
        axes.set_ylim(bottom=-0.1)
        axes.set_title(say(title))
    panels[0].set_ylabel(say("$H(q)$ [nat per answer]"))
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, handlelength=2.4)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    paths = widest(tables, "paths", "cells")
    return say(
        "C3.2, C3.4. Entropy of the tuned model's answers during the fine-tuning on m sampled answers to "
        "each of 16 prompts; means over {seeds}, each a world of its own, middles of certified bounds. "
        "Short lines at the right: the entropy of the data themselves (left), and of the law of a topic "
        "that is fitted exactly to all data of the topic, H(P) − b (right). A line that ends below it has "
        "lost more than finite data explain.",
        seeds=num_seeds(paths),
    )


def widest(tables: Tables, table: str, *parts: str) -> pl.DataFrame:
    """Return the rows of some parts that belong to the largest width; of valid runs if there are any."""
    found = tables[table]
    if not found.height:
        return found
    found = found.filter(pl.any_horizontal(pl.col("part").str.starts_with(part) for part in parts))
    valid = found.filter("valid")
    found = valid if valid.height else found
    return found.filter(pl.col("width") == pl.col("width").max()) if found["width"].drop_nulls().len() else found


def numbers(frame: pl.DataFrame) -> list[int | None]:
    """Return the numbers of answers per prompt, the least first; None, for infinitely many, is the last."""
    return sorted(frame["m"].unique().to_list(), key=lambda m: (m is None, m or 0))


def _level(axes: Axes, tables: Tables, prompts: str, m: int, truth: float, one: Look) -> None:
    """Draw what data of m answers lose by themselves as a short line at the right edge."""
    own = widest(tables, "runs", "cells").filter(m=m)
    lost = own["h_p_trained"] - own["h_s_trained"] if prompts == "trained" else own["loss"]
    height = truth - float(lost.to_numpy().mean())
    axes.plot([0.93, 1.0], [height, height], transform=axes.get_yaxis_transform(), color=one.colour,
              linestyle=one.dashes, linewidth=2.5 * factor(), solid_capstyle="butt")  # fmt: skip
