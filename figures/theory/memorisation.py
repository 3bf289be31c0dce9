"""The dial of memorisation: what m answers per prompt do to a model that moves from the law towards its data."""

import numpy as np
from matplotlib.figure import Figure

from figures.colours import GUIDE, look
from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure
from sim.theory.answers import entropy, expected_collision, expected_entropy, missing_mass, unseen_mass

TABLES = ()

ANSWERS = 32
DRAWS = (1, 4, 16)
DIAL = np.linspace(0.0, 1.0, 41)


def draw(tables: Tables) -> Figure:
    """Draw collision probability, entropy and the mass of unseen answers against ρ, a line for each m."""
    p = 1.0 / np.arange(1, ANSWERS + 1)
    p /= p.sum()
    drawn, panels = figure(3.0, 3, sharey=False)
    for place, m in enumerate(DRAWS):
        line = {**look(place).line, "markevery": 8, "label": f"$m = {m}$"}
        panels[0].plot(DIAL, [expected_collision(p, m, float(rho)) for rho in DIAL], **line)
        panels[1].plot(DIAL, [expected_entropy(p, m, float(rho)) for rho in DIAL], **line)
        panels[2].plot(DIAL, [unseen_mass(missing_mass(p, m), float(rho)) for rho in DIAL], **line)
    panels[1].axhline(entropy(p), color=GUIDE, linestyle=":", linewidth=factor())
    panels[0].set(title=say("Collision probability"), ylabel=say("mean $C(q)$"))
    panels[1].set(title=say("Entropy"), ylabel=say("mean $H(q)$ [nat]"))
    panels[2].set(title=say("Unseen answers"), ylabel=say("mean mass"))
    for axes in panels:
        axes.set(xlabel=say(r"memorisation, $\rho$"), xlim=(-0.03, 1.03))
        axes.set_ylim(bottom=0.0)
    panels[1].legend(loc="lower left")
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "The dial q = (1 − ρ)P + ρŜ, where Ŝ is the empirical law of m independent answers to one prompt "
        "and P gives {answers} answers the weights 1, 1/2, 1/3, …; no model was trained. ρ = 0 knows the "
        "law, and ρ = 1 repeats the data. Left: C + ρ²(1 − C)/m. Middle: expected entropy; the dotted "
        "line is H(P). Right: the mass that q gives to answers that P has and the data lack, 1 − ρ times "
        "the missing mass. All numbers are exact means over the draws.",
        answers=ANSWERS,
    )
