"""C4.2: how the expected number of steps off the path grows with the horizon, against the exposure εT."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.c4_cloning.weights import counted
from figures.colours import GUIDE, Look
from figures.curves import Tables, mean_over, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "horizons", "slopes")

LOOKS = {
    ("horizon_table", 0.0): ("table", Look("#0072B2", "o")),
    ("horizon_net", 0.0): ("transformer", Look("#D55E00", "s")),
    ("horizon_net", 0.5): ("transformer, hazards differ", Look("#E69F00", "D", (0, (1.5, 1)))),
    ("horizon_returns", 0.0): ("table, walkers come back", Look("#009E73", "^", (0, (5, 1.5)))),
}


def draw(tables: Tables) -> Figure | None:
    """Draw J against T, and the local slope of log J against εT beside the curve of the theory."""
    horizons, slopes = counted(tables["horizons"]), tables["slopes"]
    if not horizons.height:
        return None
    drawn, (left, right) = figure(3.2, 2, sharey=False)
    for (part, swing), (name, look) in LOOKS.items():
        _growth(left, horizons.filter(part=part, swing=swing), name, look)
        if slopes.height:
            _slope(right, slopes.filter(part=part, swing=swing), look)
    u = np.geomspace(1e-4, 20.0, 200)
    right.plot(u, u * -np.expm1(-u) / (u + np.expm1(-u)), color=GUIDE, linestyle=":", label=say("continuous time"))
    left.set(xscale="log", yscale="log", xlabel=say("horizon $T$ [steps]"), ylabel=say("expected steps off, $J$"))
    left.set_xticks([4, 16, 64, 256], ["4", "16", "64", "256"])
    left.set_xticks([], minor=True)
    right.set(xscale="log", xlabel=say(r"exposure $\varepsilon T$"), ylabel=say(r"slope of $\log J$ on $\log T$"))
    right.set_ylim(0.8, 2.2)
    handles, names = left.get_legend_handles_labels()
    more, others = right.get_legend_handles_labels()
    drawn.legend([*handles, *more], [*names, *others], loc="outside lower center", ncols=3)
    return drawn


def _growth(axes: Axes, own: pl.DataFrame, name: str, look: Look) -> None:
    """J against T: means over seeds, and crosses for the recursion."""
    if own.height:
        own = own.with_columns(j=(pl.col("j_lower") + pl.col("j_upper")) / 2)
        mean = mean_over(own, "horizon", "j", "plugged")
        axes.plot(mean["horizon"], mean["j"], label=say(name), **look.line)
        axes.plot(mean["horizon"], mean["plugged"], **{**look.hollow, "marker": "x", "color": "black"})


def _slope(axes: Axes, own: pl.DataFrame, look: Look) -> None:
    """The local slope against the exposure: a small mark for each world, means, and crosses for the recursion."""
    if own.height:
        exposure = pl.col("hazard") * (pl.col("first") * pl.col("second")).sqrt()
        own = own.with_columns(slope=(pl.col("lower") + pl.col("upper")) / 2, exposure=exposure)
        axes.plot(own["exposure"], own["slope"], markersize=2.2 * factor(), alpha=0.4, **look.points)
        both = mean_over(own, "second", "exposure", "slope", "plugged")
        axes.plot(both["exposure"], both["slope"], **look.line)
        axes.plot(both["exposure"], both["plugged"], **{**look.hollow, "marker": "x", "color": "black"})


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C4.2. Left: expected number of steps off the path of the data, J, up to the horizon T, after "
        "fine-tuning. Right: the slope of log J on log T between neighbouring horizons, against the mean "
        "hazard times the geometric mean of both horizons. Crosses: the recursion with hazards under true "
        "prefixes plugged in. Dotted: its limit in continuous time without returns. Means over {seeds}; "
        "small marks are worlds. Numbers are exact, or the middle of bounds where walkers come back.",
        seeds=num_seeds(counted(tables["horizons"])),
    )
