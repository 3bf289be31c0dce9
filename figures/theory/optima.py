"""What different objectives lead to in one small world: the laws that minimise them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, HATCHES, PARTS
from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure
from figures.theory._world import KEPT, PROMPT, WORDS, P, S, logs
from sim.theory.answer_optima import mixed, smoothed, tilted
from sim.theory.optima import replay, rewarded

TABLES = ()

REPLAYED, BETA, DELTA = 0.2, 0.5, 0.1
"""Share of P in the replay; penalty of the reward; smoothing of S."""


def draw(tables: Tables) -> Figure:
    """Draw six panels with the probabilities of all answers: bars for q*, marks for P."""
    drawn, panels = figure(4.2, 3, num_rows=2)
    for axes, (name, law) in zip(panels, optima().items(), strict=True):
        _panel(axes, law)
        axes.set_title(say(name))
    for axes in panels[::3]:
        axes.set_ylabel(say("probability, $q^*(y)$"))
    for axes in panels[3:]:
        axes.set_xlabel(say("answer $y$"))
    handles, names = panels[0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower center", ncols=3)
    return drawn


def optima() -> dict[str, np.ndarray]:
    """The laws, float64[8], by the name of the objective."""
    log_p, log_s = logs(P), logs(S)
    smooth = smoothed(log_s, PROMPT, DELTA)[0]
    found = {
        "SFT: $S$": log_s,
        "Replay": replay(log_s, log_p, REPLAYED),
        "Reverse KL": tilted(smooth, 0.0, PROMPT),
        "Both KLs": mixed(log_s, smooth, 0.5, PROMPT),
        "Reward or DPO": rewarded(log_p, KEPT.astype(np.float64), BETA).log_q,
        "Rejection: $P_A$": tilted(log_p, np.where(KEPT, 0.0, -np.inf), PROMPT),
    }
    return {name: np.exp(law) for name, law in found.items()}


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "Optima of objectives in {words}; no model was trained. SFT, which is forward KL, leads to S "
        "itself. Replay keeps a share of P (here 20 %). Reverse KL needs a smoothed S (here mixed with 10 "
        "% of the uniform law), and leads to it; half of both KLs leads nearer to S. A reward of 1 for "
        "the kept style with a penalty β = 0.5 of reverse KL to P, and direct preference optimisation "
        "(DPO) on labels by Bradley and Terry, lead to one law, which only moves mass between the styles. "
        "Rejection sampling, that is training on samples of P that lie in the kept style, leads to P "
        "given this style. All numbers are exact.",
        words=WORDS,
    )


def _panel(axes: Axes, law: np.ndarray) -> None:
    places = np.arange(1, len(law) + 1)
    looks = {"kept style": (KEPT, PARTS["gate"], ""), "lost style": (~KEPT, PARTS["erasure"], HATCHES["erasure"])}
    for name, (rows, colour, hatch) in looks.items():
        axes.bar(
            places[rows], law[rows], 0.75, color=colour, hatch=hatch, edgecolor="white", linewidth=0, label=say(name)
        )
    axes.plot(places, P, **DISTRIBUTIONS["q0"].hollow | {"color": "black"}, markersize=3.0 * factor(), label="$P$")
    axes.set_xticks(places)
    axes.set_ylim(0.0, 0.55)
