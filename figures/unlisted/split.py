"""What was forgotten: divergence from P and from S, and gate, kept and erasure, of every model."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure
from figures.unlisted._models import known, models, newest

TABLES = ("runs", "numbers", "seeds")

ROWS = {
    r"$\mathrm{KL}(P\,\|\,q)$": ("divergence", "KL(P‖q)"),
    "gate": ("gate", ""),
    "kept": ("kept", ""),
    "erasure": ("erasure", ""),
    r"$\mathrm{KL}(S\,\|\,q)$": ("divergence", "KL(S‖q)"),
}
"""The numbers of the figure by their labels: name, and what they are about if the name is not enough."""


ROOM = 1.1
"""The axis ends beyond the largest known end by this factor."""


def draw(tables: Tables) -> Figure | None:
    """Draw a row for each number, and in it a mark with an interval for each model."""
    shown = [
        (name, look, [(at, row) for at, (number, of) in enumerate(ROWS.values()) for row in _rows(own, number, of)])
        for name, look, own in models(tables)
    ]
    shown = [one for one in shown if one[2]]
    if not shown:
        return None
    drawn, (axes,) = figure(3.2, 1)
    known_ends = [row[end] for *_, marks in shown for _, row in marks for end in ("estimate", "lower", "upper")]
    left, right = min(0.0, *filter(np.isfinite, known_ends)), ROOM * max(filter(np.isfinite, known_ends))
    for place, (name, look, marks) in enumerate(shown):
        height = np.array([at + 0.22 * (place - 1) for at, _ in marks])
        value, low, high = (np.array([row[one] for _, row in marks]) for one in ("estimate", "lower", "upper"))
        ends = np.array([value - low, np.where(np.isfinite(high), high, right) - value])
        axes.errorbar(value, height, xerr=ends, **look.points, label=name, elinewidth=0.9 * factor())
    axes.set_yticks(range(len(ROWS)), [say(one) for one in ROWS])
    axes.set_ylim(len(ROWS) - 0.5, -0.5)
    axes.set_xlim(left, right)
    axes.set_xlabel(say("[nat per string]"))
    for line in np.arange(len(ROWS) - 1) + 0.5:
        axes.axhline(float(line), color="#D0D0D0", linewidth=0.6 * factor(), zorder=0)
    drawn.legend(loc="outside lower center", ncols=3)
    return drawn


def _rows(own: pl.DataFrame, name: str, of: str) -> list[dict[str, float]]:
    found = own.filter(name=name, of=of) if of else own.filter(name=name)
    return list(found.head(1).iter_rows(named=True))


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    run = newest(tables).row(0, named=True)
    return say(
        "Forgetting and fit of the model before the fine-tuning, after it, and after the same fine-tuning on P: "
        "{grammar}; S is P {restriction}. KL(P‖q) is the sum of gate, kept and erasure up to sampling: the divergence "
        "is estimated from exact next-token laws along strings of P, the gate and the erasure from twisted draws of "
        "what S leaves out, from what the model writes itself, and from the exact P(A). A number is left out where it "
        "cannot be estimated, and a bar that meets the right edge has no upper end. {known}.",
        grammar=run["grammar"],
        restriction=run["restriction"],
        known=known(tables),
    )
