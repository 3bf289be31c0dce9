"""C3.8: what stays of a held-out prompt's answer if all answers are drawn anew, and what more trained prompts do."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, GUIDE, look
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "donors")

STAYS = {"donors": "copied prompts", "answers": "answer"}
"""Columns of the table `donors`, and their names."""

DATA = {"copies_few": "12 × 4", "copies_many": "24 × 2"}
"""Parts of the study: number of prompts times answers to each."""


def draw(tables: Tables) -> Figure | None:
    """Draw the correlations between two data sets, and H(q) on held-out prompts beside the law of their topic."""
    donors, runs = tables["donors"], _counted(tables["runs"])
    if not donors.height or not runs.height:
        return None
    drawn, (left, right) = figure(2.9, 2, sharey=False)
    for place, column in enumerate(STAYS):
        _marks(left, place, donors[column].drop_nulls(), place)
    left.axhline(0.0, color=GUIDE, linewidth=0.8 * factor(), zorder=0)
    left.set(xlim=(-0.5, 1.5), ylim=(-0.35, 1.05), ylabel=say("correlation between two data sets"))
    left.set_xticks([0, 1], [say(name) for name in STAYS.values()])
    left.set_title(say("What stays"))
    law = DISTRIBUTIONS["S"]
    for place, part in enumerate(DATA):
        own = runs.filter(part=part)
        if own.height:
            _marks(right, place, (own["h_q_held_lower"] + own["h_q_held_upper"]) / 2, 2)
            told = float((own["h_p_held"] - own["loss"]).to_numpy().mean())
            right.plot([place - 0.3, place + 0.3], [told, told], color=law.colour, linestyle=law.dashes)
    right.set(xlim=(-0.5, 1.5), ylabel=say("$H(q)$, held-out prompts [nat]"), xlabel=say("prompts × answers to each"))
    right.set_xticks([0, 1], list(DATA.values()))
    right.set_title(say("48 answers in all"))
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C3.8. Left: one model is tuned twice on one answer to each of 16 prompts, the second time with "
        "other answers. Correlations over held-out prompts, within their topics, of the weights of the "
        "trained prompts in what is said, and of the probabilities of the answers. Right: entropy on "
        "held-out prompts after 48 answers in all; dotted lines: a law of the topic that is fitted "
        "exactly to its data. Small marks are worlds ({seeds}), hollow marks are means. Entropies are "
        "middles of certified bounds.",
        seeds=num_seeds(tables["donors"]),
    )


def _marks(axes: Axes, place: int, values: pl.Series, number: int) -> None:
    """Draw a mark for each world, and their mean."""
    axes.plot([place] * len(values), values, markersize=2.5 * factor(), alpha=0.5, **look(number).points)
    if len(values):
        axes.plot(place + 0.12, values.to_numpy().mean(), **look(number).hollow)


def _counted(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the runs of C3.8; valid ones if there are any."""
    found = runs.filter(pl.col("part").str.starts_with("copies")) if runs.height else runs
    valid = found.filter("valid")
    return valid if valid.height else found
