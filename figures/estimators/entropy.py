"""Entropy from samples: bias and coverage against the number of strings, from counts and from probabilities."""

from matplotlib.figure import Figure

from figures.curves import Tables
from figures.estimators._panels import chosen, compared
from figures.language import say

TABLES = ("cells",)

TARGET = "H(q)"
PAIRS = {"1,056 documents of English": ("English", "gated, from P"), "1,344 bracket strings": ("brackets", "sharpened")}
"""The laws of the two columns: P itself, and a law with a few likely strings."""


def draw(tables: Tables) -> Figure | None:
    """Draw the bias above, and below how often intervals hold the truth."""
    return compared(tables["cells"], PAIRS, TARGET)


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    truths = [float(chosen(tables["cells"], *place, TARGET)["truth"][0]) for place in PAIRS.values()]
    return say(
        "Estimates of the entropy H(q) from n independent strings of laws whose entropy is listed and exact: "
        "{first:.2f} nats of all texts of a small English world, and {second:.2f} nats of bracket strings under their "
        "law at a temperature of 0.7. Above: bias, exact but for Chao–Shen, where it is estimated. Below: how often an "
        "interval of 95 % (dotted) holds the truth, estimated from drawn samples. Lines: the interval that is usual, "
        "value ± quantile · standard error. Dashed: of the intervals that are reported instead, the one that holds "
        "least often. Plug-in, Miller–Madow and Chao–Shen read counts alone; Monte Carlo reads the probabilities of "
        "the drawn strings, and Rao–Blackwell the next-token laws along them.",
        first=truths[0],
        second=truths[1],
    )
