"""How many strings an estimator of KL needs: its standard deviation for every pair of laws."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from figures.curves import Tables
from figures.estimators._panels import ESTIMATORS, LOOKS
from figures.language import say
from figures.style import factor, figure

TABLES = ("cells",)

TARGET = "KL(q‖p)"

SMALLEST = 1e-6
"""A standard deviation below this is rounding: the estimator has no spread, and no mark [nat]."""


def draw(tables: Tables) -> Figure | None:
    """Draw √n times the standard deviation at the largest n, a row for every pair with a finite KL."""
    own = _largest(tables)
    if not own.height:
        return None
    pairs = own.select("language", "pair").unique(maintain_order=True).rows()
    drawn, (axes,) = figure(3.6, 1)
    height = 0.16
    for place, name in enumerate(ESTIMATORS[TARGET]):
        rows = own.filter(pl.col("spread") > SMALLEST, estimator=name)
        at = [pairs.index(one) + height * (place - 1.5) for one in rows.select("language", "pair").rows()]
        axes.plot(rows["spread"], at, **LOOKS[name].points, label=say(name), markersize=5.0 * factor())
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(range(len(pairs)), [say("{pair} ({language})", pair=one[1], language=one[0]) for one in pairs])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.set_xlabel(say(r"standard deviation of one string, $\sqrt{n}\,\sigma$ [nat]"))
    for line in np.arange(len(pairs) - 1) + 0.5:
        axes.axhline(float(line), color="#D0D0D0", linewidth=0.6 * factor(), zorder=0)
    drawn.legend(loc="outside lower center", ncols=4)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "The standard deviation of four estimators of KL(q‖p), times √n, at n = {n:,}: its square decides how many "
        "strings are needed. A row is a pair of laws with a finite KL; q is the law that is drawn from. Rao–Blackwell "
        "has the smallest spread where q is the language at another temperature, and a larger one than k1 where q is "
        "the language given an event, or nearly so: there log q/p is nearly constant. A mark that would lie at 0 is "
        "left out. All marks are estimated from drawn samples.",
        n=int(_largest(tables)["n"][0]) if _largest(tables).height else 0,
    )


def _largest(tables: Tables) -> pl.DataFrame:
    found = tables["cells"].filter(pl.col("sd").is_not_null(), target=TARGET)
    found = found.filter(pl.col("n") == pl.col("n").max())
    return found.with_columns(spread=pl.col("sd") * pl.col("n").cast(pl.Float64).sqrt())
