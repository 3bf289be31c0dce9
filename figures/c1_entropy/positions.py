"""C1.5: branching and nucleus by position in the answer, for the narrowest and for the flattest data."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.c1_entropy.entropy import arms
from figures.colours import DISTRIBUTIONS, PALE
from figures.curves import Tables, mean_over, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "positions")

CURVES = {"P": "$P$", "S": "$S$", "q0": "$q_0$", "q": "$q$"}

LIVE = 1e-9
"""A position is drawn if an answer of S reaches it with at least this probability."""


def draw(tables: Tables) -> Figure | None:
    """Draw the branching factor and the 90 % nucleus of P, S, q0 and q by position, for the extreme data."""
    curves = tables["positions"].filter(targets="exact").filter(pl.col("run").is_in(arms(tables)["run"].implode()))
    shown = extremes(tables)
    if not curves.height:
        return None
    drawn, panels = figure(4.4, len(shown), num_rows=2)
    for place, axes in enumerate(panels):
        nucleus, name = divmod(place, len(shown))
        own = curves.filter(pl.col("restriction") == shown[name], pl.col("live") > LIVE)
        _panel(axes, own, "nucleus" if nucleus else "branching")
        if nucleus:
            axes.set_xlabel(say("position in the answer [tokens]"))
        else:
            axes.set_title(say("S: {name}", name=shown[name]))
    panels[0].set_ylabel(say("branching factor, $e^{H_t}$"))
    panels[len(shown)].set_ylabel(say("90 % nucleus [tokens]"))
    panels[0].legend(handlelength=3)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C1.5. Above: branching factor, the exponential of the mean entropy of the next token. Below: "
        "mean number of likeliest next tokens that hold 90 % of the mass. Both by position in the answer, "
        "over prefixes x ~ S, for the data with the least and with the most entropy, exact targets. Bands "
        "are certified bounds, other numbers are exact; means over {seeds}.",
        seeds=num_seeds(arms(tables)),
    )


def extremes(tables: Tables) -> list[str]:
    """Return the restrictions with the least and with the most entropy of the data; only one if there is only one."""
    means = arms(tables).filter(targets="exact").group_by("restriction", "kind").agg(pl.col("h_s").mean().round(2))
    names = means.sort("h_s", "kind")["restriction"].to_list()  # among nearly equal ones a style comes first
    return names[:1] + names[-1:] if len(names) > 1 else names


def _panel(axes: Axes, own: pl.DataFrame, what: str) -> None:
    columns = ("nucleus_lower", "nucleus_upper") if what == "nucleus" else ("branching", "branching")
    for of, label in CURVES.items():
        mean = mean_over(own.filter(of=of), "position", *dict.fromkeys(columns))
        look, wide = DISTRIBUTIONS[of], 2.2 if of in ("P", "S") else 1.3
        axes.plot(mean["position"], mean[columns[0]], label=label, linewidth=wide * factor(), **look.line)
        lower, upper = (mean[column] for column in columns)
        axes.fill_between(mean["position"], lower, upper, color=look.colour, alpha=0.3, linewidth=0)
    axes.axhline(1.0, color=PALE, zorder=0)
    axes.set_xticks(sorted(own["position"].unique()))
