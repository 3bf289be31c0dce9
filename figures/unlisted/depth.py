"""Where in a string a model leaves the language: the hazard by depth, before and after the fine-tuning."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure
from figures.unlisted._models import known, models, newest

TABLES = ("runs", "numbers", "seeds")

HAZARD = "hazard of leaving the language"

ROOM = 3.0
"""The axis begins below the least estimate by this factor. An interval that reaches 0 ends there."""


def draw(tables: Tables) -> Figure | None:
    """Draw the hazard of every model against the position, with intervals."""
    drawn, (axes,) = figure(3.2, 1)
    shown = [(name, look, own.filter(pl.col("estimate") > 0.0, name=HAZARD)) for name, look, own in models(tables)]
    shown = [(name, look, rows.sort("first")) for name, look, rows in shown if rows.height]
    if not shown:
        return None
    least = min(float(rows["estimate"].to_numpy().min()) for *_, rows in shown) / ROOM
    for place, (name, look, rows) in enumerate(shown):
        middle = (rows["first"].to_numpy() + rows["last"].to_numpy()) / 2 + 0.6 * (place - 1)
        value, low, high = (rows[one].to_numpy() for one in ("estimate", "lower", "upper"))
        ends = np.abs(np.array([value - np.maximum(low, least), high - value]))
        axes.errorbar(middle, value, ends, **look.line, label=name, elinewidth=0.8 * factor(), capsize=0)
    axes.set_yscale("log")
    axes.set_ylim(bottom=least)
    axes.set_xlabel(say("position in the string [token]"))
    axes.set_ylabel(say("chance to leave P [1/token]"))
    drawn.legend(loc="outside lower center", ncols=3)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    run = newest(tables).row(0, named=True)
    return say(
        "The probability, along strings of P, that the next token of the model is one that P cannot write there, by "
        "position: {grammar}, strings of up to {length} tokens, a transformer of {parameters:,} parameters; S is P "
        "{restriction}. Estimated from exact next-token laws along independent strings of P. {known}. Models are "
        "drawn beside each other.",
        grammar=run["grammar"],
        length=run["length"],
        parameters=run["parameters"],
        restriction=run["restriction"],
        known=known(tables),
    )
