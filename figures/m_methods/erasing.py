"""M.6: what is erased, E, against the squared length of all steps, Q: methods beside plain cross-entropy."""

from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from figures.colours import GUIDE, STYLE_CYCLE, Look
from figures.curves import Tables
from figures.language import say
from figures.m_methods._methods import LOSSES, PLAIN, STEPS, counted, over_worlds
from figures.style import factor, figure
from figures.words import MINUS

TABLES = ("runs", "ends")

LINEAR = 0.1
"""The axis of E is logarithmic beyond this value on both sides of 0 [nat]."""

CURVE = Look(STYLE_CYCLE[4], ".")

METHODS = {"exact": LOSSES, "sampled": STEPS}


def draw(tables: Tables) -> Figure | None:
    """Draw E against Q for both kinds of targets: plain cross-entropy as a curve with a band, methods as marks."""
    found = shown(tables)
    if not found.height:
        return None
    drawn, panels = figure(4.4, 2)
    named: dict[str, Any] = {}
    for axes, (targets, title) in zip(
        panels, (("exact", "Exact targets"), ("sampled", "Sampled targets")), strict=True
    ):
        _panel(axes, found, targets)
        axes.set_title(say(title))
        axes.set_xlabel(say("squared length of all steps, $Q$"))
        handles, labels = axes.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    panels[0].set_ylabel(say("erased behind the gate, $E$ [nat]"))
    _heights(panels[0], found)
    drawn.legend(list(named.values()), list(named), loc="outside lower center", ncols=4)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    found, ends = shown(tables), tables["ends"]
    return say(
        "M.6. What fine-tuning erases behind the gate, E, against Q, the sum of the squared lengths of all steps. "
        "Curve: plain cross-entropy on the data, exact targets at the rates 1, 2 and 4·10⁻³, sampled targets at "
        "0.25, 0.5, 1, 2 and 3·10⁻³. Marks: other methods, at 2·10⁻³, FINCH at 10⁻³. Means over at most {worlds} "
        "worlds; band and bars are 95 % intervals. E is exact, and Q is exact but for the rounding of float32. "
        "{left} of {height} runs are left out, because they do not fit.",
        worlds=found["seed"].n_unique() if found.height else 0,
        left=ends.height - found.height,
        height=ends.height,
    )


def shown(tables: Tables) -> pl.DataFrame:
    """Return the runs that fit."""
    return counted(tables)


def _panel(axes: Axes, found: pl.DataFrame, targets: str) -> None:
    """Draw the curve of plain cross-entropy, and the methods with the same targets."""
    plain = [one for part in PLAIN[targets] if (one := _mean(found, part)) is not None]
    at, middle, low, high = zip(*sorted(plain), strict=True) if plain else ((), (), (), ())
    axes.fill_between(at, low, high, color=CURVE.colour, alpha=0.3, linewidth=0)
    axes.plot(at, middle, label=say("plain cross-entropy"), **CURVE.line)
    for part, method in METHODS[targets].items():
        one = _mean(found, part)
        if one is not None:
            walked, e, below, above = one
            axes.errorbar(
                walked, e, yerr=[[e - below], [above - e]], label=say(method.name), markersize=5.5 * factor(),
                elinewidth=0.9 * factor(), **method.kind,
            )  # fmt: skip
    axes.axhline(0.0, color=GUIDE, linewidth=0.7 * factor(), zorder=0)
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=LINEAR, linscale=0.6)
    _ticks(axes, found, (*PLAIN[targets], *METHODS[targets]))


def _mean(found: pl.DataFrame, part: str) -> tuple[float, float, float, float] | None:
    """The geometric mean of Q, and the mean of E with its interval; None without a run."""
    own = found.filter(pl.col("walked").is_not_null(), part=part)
    if not own.height:
        return None
    return float(own.select(pl.col("walked").log().mean().exp()).item()), *over_worlds(own["e"])


def _ticks(axes: Axes, found: pl.DataFrame, parts: tuple[str, ...]) -> None:
    """Plain numbers on the axis of Q, around the data."""
    own = found.filter(pl.col("part").is_in(parts), pl.col("walked").is_not_null())["walked"].to_numpy()
    low, high = (float(own.min()), float(own.max())) if len(own) else (0.1, 10.0)
    places = [one * 10.0**power for power in range(-4, 4) for one in (1, 2, 5)]
    axes.xaxis.set_major_locator(FixedLocator([one for one in places if low / 1.3 <= one <= 1.3 * high]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _heights(axes: Axes, found: pl.DataFrame) -> None:
    """Few plain numbers on the axis of E, which the panels share."""
    low, high = axes.get_ylim()
    places = [-1.0, -0.3, -0.1, 0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]
    kept = [one for one in places if low <= one <= high]
    axes.set_yticks(kept, [f"{one:g}".replace("-", MINUS) for one in kept])
    axes.set_yticks([], minor=True)
