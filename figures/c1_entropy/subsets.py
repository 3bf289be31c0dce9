"""C1.7: how often a random subset of a language has more entropy than the language, by weights and by rule."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from figures.colours import look
from figures.curves import Tables
from figures.language import say
from figures.style import factor, figure, is_slide

TABLES = ("subsets",)

LAWS = ("Zipf 2", "Zipf 3/2", "Zipf 1", "Zipf ½", "uniform", "its own")
RULES = {
    "string": "coin per text",
    "prompt": "coin per prompt",
    "style": "coin per style",
    "reached": "until $P(A)$",
    "skipped": "up to $P(A)$",
}
STEEP = "Zipf 2"

TICKS = (0.001, 0.01, 0.1, 0.5, 0.9)
"""The last one is left out on a slide, where it would touch its neighbour."""


def draw(tables: Tables) -> Figure:
    """Draw the share of rises against P(A): under the announced rule for every law, and for every rule at Zipf 2."""
    cells = tables["subsets"].filter(view="texts")
    drawn, panels = figure(4.0, 2)
    for place, law in enumerate(LAWS):
        _line(panels[0], cells.filter(rule="string", law=law), place, "own" if law == "its own" else law)
    for place, (rule, words) in enumerate(RULES.items()):
        _line(panels[1], cells.filter(rule=rule, law=STEEP), place, words)
    panels[0].set(title=say("Coin per text, by weights"), ylabel=say("share of subsets with $H(P_A) > H(P)$"))
    panels[1].set(title=say("Weights of Zipf 2, by rule"))
    for axes in panels:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(TICKS[:-1] if is_slide() else TICKS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(_tick))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.set(xlabel=say("share that is kept, $P(A)$"), ylim=(-0.03, 1.03))
        axes.invert_xaxis()
        axes.legend(loc="upper center", bbox_to_anchor=(0.46, -0.16), ncols=2, handlelength=2.6, columnspacing=1.0)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    cells = tables["subsets"]
    languages = cells["language"].n_unique()
    least = int(cells.filter(rule="string")["draws"].to_numpy().min())
    return say(
        "C1.7. Share of random subsets A with more entropy than the whole language, over {languages} "
        "kinds of language with 342 to 1344 texts; means over languages, bars from the least to the "
        "largest. Nothing is trained, and every entropy is exact. A share is a count over at least "
        "{least:,} subsets of a language for a coin per text, and over 200 random orders. Weights: rank "
        "to the power of minus the exponent. Rules: a text, or all texts of a prompt or of a style, is "
        "kept with probability P(A); or texts in random order are added until they hold P(A), or up to "
        "P(A) without those that would overshoot it.",
        languages=languages,
        least=least,
    )


def _line(axes: Axes, cells: pl.DataFrame, place: int, label: str) -> None:
    by = cells.group_by("mass").agg(pl.col("share").mean(), least=pl.col("share").min(), most=pl.col("share").max())
    by = by.sort("mass")
    middle = by["share"].to_numpy()
    ends = [middle - by["least"].to_numpy(), by["most"].to_numpy() - middle]
    one = look(place)
    axes.errorbar(by["mass"], middle, yerr=ends, label=say(label), elinewidth=0.8 * factor(), **one.line)


def _tick(value: float, _: object) -> str:
    return f"{value:g}"
