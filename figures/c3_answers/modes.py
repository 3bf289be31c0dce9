"""C3.5: what forward, mixed and reverse KL do to two answers per prompt in a model that is too small."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, GUIDE, PALE, look
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "modes", "answers")

NAMES = {"sft": "forward", "mixed_kl": "mixed", "reverse_kl": "reverse"}
MOST = 12
"""Number of answers of the example that are drawn."""


def draw(tables: Tables) -> Figure | None:
    """Draw S and the fits at one prompt with two answers, and the leak of every fit."""
    modes, answers = tables["modes"], tables["answers"]
    if not modes.height or not answers.height:
        return None
    drawn, panels = figure(3.3, 2, sharey=False)
    own = example(answers)
    order = own.group_by("answer").agg(pl.col("s").max(), pl.col("q").max()).sort("s", "q", "answer", descending=True)
    shown = order["answer"].to_list()[:MOST]
    places = np.arange(len(shown))
    s = own.filter(objective=own["objective"][0]).select("answer", "s")
    heights = {one: float(value) for one, value in s.iter_rows()}
    panels[0].bar(places, [heights[one] for one in shown], 0.8, color=PALE, edgecolor=DISTRIBUTIONS["S"].colour,
                  label=say("$S$: two answers"))  # fmt: skip
    for place, (objective, name) in enumerate(NAMES.items()):
        law = dict(own.filter(objective=objective).select("answer", "q").iter_rows())
        if law:
            panels[0].plot(places, [law[one] for one in shown], **look(place).points, label=say(f"{name} KL"),
                           markersize=5.0 * factor())  # fmt: skip
    panels[0].set_xticks(places, [_short(one) for one in shown], rotation=90, fontsize="small")
    panels[0].set(title=say("One prompt"), ylabel=say("probability"), xlabel=say("answer"))
    panels[0].legend()
    _leaks(panels[1], modes)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    modes = tables["modes"]
    return say(
        "C3.5. Left: two answers to a prompt in the data (the prompt at which reverse KL tells them apart "
        "most), and the laws that an n-gram table of order 3 learns under forward, mixed and reverse KL; "
        "the {most} likeliest valid answers, one world. Right: the mass that each fit puts on what S "
        "lacks, of the n-gram table and of a table that can express S; marks are worlds ({seeds}), lines "
        "are means. All numbers are exact.",
        most=MOST,
        seeds=num_seeds(modes),
    )


def example(answers: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the prompt with two answers in the data that the reverse fit tells apart most."""
    number = (pl.col("s") > 0).sum().over("objective", "prompt")
    two = answers.filter(number == 2)
    if not two.height:
        return answers.filter(prompt=answers["prompt"][0])
    name = "reverse_kl" if "reverse_kl" in two["objective"] else two["objective"][0]
    fit = two.filter(pl.col("s") > 0, objective=name)
    apart = fit.group_by("prompt", maintain_order=True).agg((pl.col("q").max() - pl.col("q").min()).alias("apart"))
    return answers.filter(prompt=apart.sort("apart", descending=True, maintain_order=True)["prompt"][0])


def _leaks(axes: Axes, modes: pl.DataFrame) -> None:
    labels: list[str] = []
    for place, model in enumerate(("tabular_ngram", "tabular_trie")):
        for number, (objective, name) in enumerate(NAMES.items()):
            own = modes.filter(model=model, objective=objective)
            if own.height:
                at = len(labels)
                labels.append(say(f"{name}, {'n-gram' if place == 0 else 'trie'}"))
                axes.plot([at] * own.height, own["leak"], **look(number).hollow)
                mean = float(own["leak"].to_numpy().mean())
                axes.plot([at - 0.3, at + 0.3], [mean, mean], color=GUIDE)
    axes.set_yscale("log")
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize="small")
    axes.set(title=say("Mass on what $S$ lacks"), ylabel=say(r"leak, $q(y \notin \mathrm{supp}\, S)$"))


def _short(answer: str) -> str:
    return answer.replace("<eos>", "").strip()
