"""L.1, L.2: how the entropy of the model changes with that of its data, in languages that are not listed."""

from textwrap import wrap

import numpy as np
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, GUIDE, looks
from figures.curves import Tables
from figures.l_unlisted._worlds import arm, counted, languages
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs",)

TITLE = 80
"""Letters of the titles of all panels in a line."""

ROOM = 0.08
"""Free space at the edges, as a share of the range."""


def draw(tables: Tables) -> Figure:
    """Draw H(q) − H(control) against H(S) − H(P): a panel for each language, a mark for each run, and the diagonal."""
    runs = counted(tables)
    names = languages(runs)
    drawn, panels = figure(3.0, len(names), sharey=False)
    for axes, name in zip(panels, names, strict=True):
        own = runs.filter(language=name)
        rates = own["rate"].unique().to_list()
        x, y = (own["h_s"] - own["h_p"]).to_numpy(), (own["h_after"] - own["h_control"]).to_numpy()
        ends = np.concatenate([x, y, [0.0]])
        room = ROOM * float(np.ptp(ends)) or 1.0
        low, high = float(ends.min()) - room, float(ends.max()) + room
        axes.plot([low, high], [low, high], color=GUIDE, linewidth=0.8 * factor(), zorder=1)
        for line in (axes.axvline, axes.axhline):
            line(0.0, color=DISTRIBUTIONS["P"].colour, linestyle=":", linewidth=0.8 * factor(), zorder=0)
        arms = [arm(*key, rates) for key in zip(own["targets"], own["rate"], strict=True)]
        for kind, look in looks(_all(tables)).items():
            here = np.array([one == kind for one in arms], bool)
            axes.plot(x[here], y[here], label=say(kind), fillstyle="none", **look.points)
        axes.set(xlim=(low, high), ylim=(low, high))
        axes.set_title("\n".join(wrap(name, TITLE // len(names))), fontsize="small")
        axes.set_xlabel(say("$H(S)$ − $H(P)$ [nat]"))
    panels[0].set_ylabel(say("$H(q)$ − $H($control$)$ [nat]"))
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return drawn


def _all(tables: Tables) -> list[str]:
    """The arms of all languages."""
    runs = counted(tables)
    found = []
    for name in languages(runs):
        own = runs.filter(language=name)
        rates = own["rate"].unique().to_list()
        found += [arm(*key, rates) for key in zip(own["targets"], own["rate"], strict=True)]
    return sorted(set(found))


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    runs = counted(tables)
    return say(
        "L.1, L.2. Change of the entropy of the model, against the same fine-tuning on P, and that of its data, per "
        "string: a mark for each of {runs} runs, {seeds} seeds. Grey: equality. Right of 0 the data have more entropy "
        "than P. H(q) is estimated from what the model writes; H(P) and H(S) are exact, or estimated where strings are "
        "cut or have several paths.",
        runs=runs.height,
        seeds=runs["seed"].n_unique(),
    )
