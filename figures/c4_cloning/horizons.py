"""C4.2: how the expected number of steps off the path grows with the horizon, against the exposure εT."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from figures.c4_cloning.weights import counted
from figures.colours import GUIDE, Look
from figures.curves import Tables, mean_over, num_seeds
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
    horizons = counted(tables["horizons"])
    slopes = tables["slopes"]
    if not horizons.height or not slopes.height:
        return None
    drawn, (left, right) = figure(3.2, 2, sharey=False)
    middle = (pl.col("lower") + pl.col("upper")) / 2
    slopes = slopes.with_columns(slope=middle, exposure=pl.col("hazard") * (pl.col("first") * pl.col("second")).sqrt())
    for (part, swing), (name, look) in LOOKS.items():
        own = horizons.filter(part=part, swing=swing).with_columns(j=(pl.col("j_lower") + pl.col("j_upper")) / 2)
        if own.height:
            mean = mean_over(own, "horizon", "j", "plugged")
            left.plot(mean["horizon"], mean["j"], label=name, **look.line)
            left.plot(mean["horizon"], mean["plugged"], **{**look.hollow, "marker": "x"})
        at = slopes.filter(part=part, swing=swing)
        right.plot(at["exposure"], at["slope"], markersize=2.2 * factor(), alpha=0.4, **look.points)
        if at.height:
            both = mean_over(at, "second", "exposure", "slope", "plugged")
            right.plot(both["exposure"], both["slope"], **look.line)
            right.plot(both["exposure"], both["plugged"], **{**look.hollow, "marker": "x"})
    u = np.geomspace(1e-4, 20.0, 200)
    right.plot(u, u * -np.expm1(-u) / (u + np.expm1(-u)), color=GUIDE, linestyle=":", label="continuous time")
    left.set(xscale="log", yscale="log", xlabel="horizon $T$ [steps]", ylabel="expected steps off, $J$")
    left.set_xticks([4, 16, 64, 256], ["4", "16", "64", "256"])
    left.set_xticks([], minor=True)
    right.set(xscale="log", xlabel=r"exposure $\varepsilon T$", ylabel="slope of $\\log J$ on $\\log T$")
    right.set_ylim(0.8, 2.2)
    handles, names = left.get_legend_handles_labels()
    more, others = right.get_legend_handles_labels()
    drawn.legend([*handles, *more], [*names, *others], loc="outside lower center", ncols=3)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return (
        "C4.2. Left: expected number of steps off the path of the data, J, up to the horizon T, after fine-tuning. "
        "Right: the slope of log J on log T between neighbouring horizons, against the mean hazard times the geometric "
        "mean of both horizons. Crosses: the recursion with hazards under true prefixes plugged in. Dotted: its limit "
        f"in continuous time without returns. Means over {num_seeds(counted(tables['horizons']))}; small marks are "
        "worlds. Numbers are exact, or the middle of bounds where walkers come back."
    )
