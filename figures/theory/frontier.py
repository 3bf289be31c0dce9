"""The exact frontier between fit and forgetting, and how far the optima of two methods lie above it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, look
from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure
from figures.theory._world import KEPT, PROMPT, WORDS, P, S, logs
from sim.theory.answer_optima import smoothed, tilted
from sim.theory.frontier import divergence, frontier_point, least_forgetting

TABLES = ()

MARKED = (0.003, 0.02, 0.1)
"""Weights λ of P that are named on the frontier."""

LOG_S, LOG_P = logs(S), logs(P)


def draw(tables: Tables) -> Figure:
    """Draw the plane of fit and forgetting, and the vertical distances to the frontier at equal fit."""
    drawn, (plane, gaps) = figure(3.2, 2, sharey=False)
    points = [frontier_point(LOG_S, LOG_P, float(weight)) for weight in np.geomspace(2e-4, 1e3, 200)]
    plane.plot(
        [one.fit for one in points], [one.forgetting for one in points], color=DISTRIBUTIONS["P"].colour,
        label=say("frontier, reached by replay"),
    )  # fmt: skip
    for weight in MARKED:
        _mark(plane, weight)
    for place, (name, laws) in enumerate(methods().items()):
        fits = np.array([divergence(LOG_S, one) for one in laws])
        forgetting = np.array([divergence(LOG_P, one) for one in laws])
        least = np.array([least_forgetting(LOG_S, LOG_P, float(fit)) for fit in fits])
        drawing = {**look(place + 1).line, "markevery": 6}
        plane.plot(fits, forgetting, label=say(name), **drawing)
        gaps.plot(fits, forgetting - least, label=say(name), **drawing)
    plane.set(title=say("Fit and forgetting"), ylabel=say(r"forgetting, $\mathrm{KL}(P\Vert q)$ [nat]"))
    gaps.set(title=say("Distance to the frontier"), ylabel=say("forgetting above the least [nat]"))
    for axes in (plane, gaps):
        axes.set(xscale="log", xlabel=say(r"fit, $\mathrm{KL}(S\Vert q)$ [nat]"))
        axes.set_xlim(2e-4, 2.0)
        axes.set_ylim(bottom=0.0)
    plane.set_ylim(top=6.0)
    handles, names = plane.get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower center", ncols=2)
    return drawn


def methods() -> dict[str, list[np.ndarray]]:
    """The optima of two methods over their strengths, as log-laws [nat], float64[8]."""
    rewards = [tilted(LOG_P, np.where(KEPT, gain, 0.0), PROMPT) for gain in np.geomspace(0.01, 8.0, 60)]
    smoothings = [smoothed(LOG_S, PROMPT, float(delta))[0] for delta in np.geomspace(1e-4, 0.95, 60)]
    return {r"reward for $A$, penalty $\beta$": rewards, r"$S$ mixed with the uniform law": smoothings}


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "The exact frontier in {words}; no model was trained. Left: no law q lies below the line; replay "
        "with the share λ/(1 + λ) of P reaches it, and three values of λ are marked. The optimum of a "
        "reward for the kept style with a penalty of reverse KL to P moves the mass of the lost style, "
        "and keeps P within both styles; so it cannot fit S, which is narrower. S mixed with the uniform "
        "law over the answers and one outcome outside forgets more than is needed. Right: the vertical "
        "distance of both to the frontier at equal fit. All numbers are exact.",
        words=WORDS,
    )


def _mark(axes: Axes, weight: float) -> None:
    """A named point of the frontier."""
    one = frontier_point(LOG_S, LOG_P, weight)
    axes.plot([one.fit], [one.forgetting], **DISTRIBUTIONS["S"].points, markersize=5.0 * factor())
    axes.annotate(
        rf"$\lambda={weight:g}$", (one.fit, one.forgetting), (-5, -3), textcoords="offset points", ha="right", va="top",
        fontsize="small",
    )  # fmt: skip
