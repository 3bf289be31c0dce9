"""Laws of decay: how the mass that the data leave out falls under SGD and under Adam, for tabular models."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import GUIDE, look
from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure
from sim.theory.decay import adam_ceiling, adam_rate, flat_sgd_constant
from sim.theory.flow import even_flow
from sim.theory.memory import corrected_memory_law, memory_law

TABLES = ()

START = 0.75
"""Lost mass of the language: three of four styles that are equally likely."""

TABLES_OF_SGD = {"flat table": (25, 75), "trie table": (1, 3)}
"""Numbers of kept and lost outcomes: 100 answers in one softmax, or four style tokens at one gate."""

BETA1, BETAS = 0.9, (0.9, 0.99, 0.999)


def draw(tables: Tables) -> Figure:
    """Draw three panels with logarithmic axes: SGD over time, Adam over ρ t, and the constant rate over lr."""
    drawn, (sgd, adam, rates) = figure(3.1, 3, sharey=False)
    _sgd(sgd)
    _adam(adam)
    _rates(rates)
    for axes in (sgd, adam, rates):
        axes.set(xscale="log", yscale="log")
    sgd.legend(loc="lower left")
    adam.legend(loc="lower left")
    rates.legend(loc="lower right")
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    names = ", ".join(f"{one:g}" for one in BETAS)
    return say(
        "Laws of decay of the lost mass q(B) in tabular models, from formulas alone; no model was "
        "trained. Left: gradient flow, exact, from q(B) = 0.75, for a flat table with 25 kept and 75 lost "
        "answers and for one gate of a trie table with 1 kept and 3 lost tokens. Dotted: the limits 1/(κ "
        "lr t), with 1/κ = 18.75 and 0.75. Middle: the law of Adam's memory, C/(exp(ρt) − 1) with ρ = "
        "½|log β₂|, up to the factor C, and the law with bias correction. Dotted: the power 1/t within "
        "the memory and exp(−ρt) after it. That tables follow these two laws is observed, not proved. "
        "Right: the constant rate r of exponential decay under Adam (β₁ = 0.9, eps = 0, only lost logits "
        "move), the exact solution of its equation, for β₂ = {names}. Dotted: ρ, which it never exceeds.",
        names=names,
    )


def _sgd(axes: Axes) -> None:
    """The path of the lost mass, and its limit."""
    time = np.geomspace(0.1, 1e5, 200)
    for place, (name, (kept, lost)) in enumerate(TABLES_OF_SGD.items()):
        axes.plot(time, even_flow(kept, lost, START, time), label=say(name), **_line(place))
        limit = flat_sgd_constant(kept, lost) / time
        _dotted(axes, time[limit < 1.0], limit[limit < 1.0])
    axes.set(title="SGD", xlabel=say(r"time, $\mathrm{lr}\cdot t$"), ylabel=say("lost mass, $q(B)$"))


def _adam(axes: Axes) -> None:
    """The two laws over ρ t. They do not depend on β₂ there."""
    units = np.geomspace(0.02, 8.0, 200)
    steps = units / adam_ceiling(BETAS[-1])
    for place, (name, law) in enumerate({"no correction": memory_law, "bias correction": corrected_memory_law}.items()):
        axes.plot(units, np.exp(law(BETAS[-1], steps)), label=say(name), **_line(place))
    _dotted(axes, units[units < 1.5], 1.0 / units[units < 1.5])
    _dotted(axes, units, np.exp(-units))
    axes.set(title=say("Adam's memory"), xlabel=r"$\rho\,t$", ylabel=say("lost mass, over $C$"))


def _rates(axes: Axes) -> None:
    """The constant rate against the learning rate."""
    steps = np.geomspace(1e-4, 1.0, 60)
    for place, beta2 in enumerate(BETAS):
        found = [adam_rate(float(step), BETA1, beta2) for step in steps]
        axes.plot(steps, found, label=rf"$\beta_2 = {beta2:g}$", **_line(place))
        _dotted(axes, steps, np.full_like(steps, adam_ceiling(beta2)))
    axes.set(title=say("Adam's rate"), xlabel=say("learning rate"), ylabel=say("rate $r$ [per update]"))


def _line(place: int) -> dict[str, Any]:
    return {**look(place).line, "marker": ""}


def _dotted(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    axes.plot(x, y, color=GUIDE, linestyle=":", linewidth=factor())
