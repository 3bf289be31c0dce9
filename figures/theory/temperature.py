"""How far a temperature reopens a gate: lost styles come back only together with illegal tokens."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE, look
from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure
from sim.theory.tempering import Gate

TABLES = ()

LOST, LEAK, STYLES = 1e-3, 1e-4, 4
"""q(B) and q(⊥) at T = 1; the number of styles, of which one is kept."""

SIZES = (16, 64, 1000)
VALID = 0.9

TEMPERATURES = np.geomspace(1.0, 30.0, 120)


def draw(tables: Tables) -> Figure:
    """Draw q_T(B) over the temperature, and against the validity, a line for each size of the vocabulary."""
    drawn, (over, against) = figure(3.1, 2)
    for place, size in enumerate(SIZES):
        gate = Gate(LOST, LEAK, size, STYLES - 1)
        path = [gate.at(float(one)) for one in TEMPERATURES]
        line = {**look(place).line, "markevery": 15}
        over.plot(TEMPERATURES, [one.lost for one in path], label=f"$V = {size}$", **line)
        against.plot([one.validity for one in path], [one.lost for one in path], **line)
    half = 0.5 * (STYLES - 1) / STYLES
    guide: dict[str, Any] = {"color": GUIDE, "linestyle": ":", "linewidth": factor()}
    for axes in (over, against):
        axes.axhline(half, **guide)
    against.axvline(VALID, **guide)
    _words(over, say("half of $P(B)$"), (1.05, half))
    over.set(
        title=say("Over the temperature"),
        xscale="log",
        xlabel=say("temperature $T$"),
        ylabel=say("lost styles, $q_T(B)$"),
    )
    over.set_xticks([1, 2, 5, 10, 30], ["1", "2", "5", "10", "30"])
    over.set_xticks([], minor=True)
    against.set(title=say("Against the validity"), xlabel=say(r"validity, $1-q_T(\bot)$"), xlim=(1.02, -0.02))
    over.set_ylim(0.0, 0.45)
    over.legend(loc="upper right", bbox_to_anchor=(1.0, 0.82))
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "A gate after SFT on one of four styles: one kept token, three lost ones with q(B) = 0.001 "
        "together, and V − 4 illegal ones with 0.0001 together, equally likely within each group; no "
        "model was trained. Left: probability of the lost styles at the temperature T. Right: the same "
        "against the probability of a legal token, with a line at 0.9. The upper line is half of P(B) = "
        "0.75, what the language gives to them. All numbers are exact."
    )


def _words(axes: Axes, text: str, at: tuple[float, float]) -> None:
    axes.annotate(text, at, (0, 3), textcoords="offset points", fontsize="small", color=GUIDE)
