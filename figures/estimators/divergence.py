"""KL from samples: bias and coverage of k1, k2, k3 and Rao–Blackwell against the number of strings."""

from matplotlib.figure import Figure

from figures.curves import Tables
from figures.estimators._panels import chosen, compared
from figures.language import say

TABLES = ("cells",)

TARGET = "KL(q‖p)"
PAIRS = {"$q$ overlaps with $p$": ("brackets", "flattened"), "$q$ after SFT, $p$ before": ("English", "gated"),
         "$q$ lacks strings of $p$": ("English", "one style")}  # fmt: skip
"""The pairs of the columns: bounded ratios, rare strings with large ratios, and strings that q cannot write."""


def draw(tables: Tables) -> Figure | None:
    """Draw the bias above, and below how often intervals hold the truth."""
    return compared(tables["cells"], PAIRS, TARGET, say("strings, $n$"))


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    truths = [float(chosen(tables["cells"], *place, TARGET)["truth"][0]) for place in PAIRS.values()]
    return say(
        "Estimates of KL(q‖p) from n independent strings of q, for three pairs of laws with a listed, exact KL of "
        "{first:.2f}, {second:.2f} and {third:.2f} nats: bracket strings with q at a temperature of 1.4; English texts "
        "with 0.001 left for three of four styles in q; and with nothing left for them. r = p/q; k1 is −log r, k2 is "
        "½ log² r, k3 is r − 1 − log r; Rao–Blackwell is the sum of the KL of next-token laws. Above: bias, exact. "
        "Below: how often an interval of 95 % (dotted) holds the truth, estimated from drawn samples. Lines: the usual "
        "interval, by Student's t. Dashed: of the intervals that are reported instead, the one that holds least often. "
        "On the right k1 has neither spread nor error.",
        first=truths[0],
        second=truths[1],
        third=truths[2],
    )
