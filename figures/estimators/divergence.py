"""KL from samples: bias and coverage of k1, k2, k3 and Rao–Blackwell against the number of strings."""

from matplotlib.figure import Figure

from figures.curves import Tables
from figures.estimators._panels import ESTIMATORS, biases, chosen, coverage, sizes
from figures.language import say
from figures.style import figure

TABLES = ("cells",)

TARGET = "KL(q‖p)"
PAIRS = {"$q$ overlaps with $p$": ("brackets", "flattened"), "$q$ after SFT, $p$ before": ("English", "gated"),
         "$q$ lacks strings of $p$": ("English", "one style")}  # fmt: skip
"""The pairs of the columns: bounded ratios, rare strings with large ratios, and strings that q cannot write."""


def draw(tables: Tables) -> Figure | None:
    """Draw the bias above, and below how often intervals hold the truth."""
    found = {title: chosen(tables["cells"], *place, TARGET) for title, place in PAIRS.items()}
    if not all(one.height for one in found.values()):
        return None
    drawn, panels = figure(4.8, 3, num_rows=2)
    for (title, own), above, below in zip(found.items(), panels[:3], panels[3:], strict=True):
        biases(above, own, ESTIMATORS[TARGET])
        above.set_title(say(title))
        sizes(above, own, label=False)
        named = coverage(below, own, ESTIMATORS[TARGET])
        sizes(below, own)
        below.set_xlabel(say("strings, $n$"))
    panels[0].set_ylabel(say("bias [nat]"))
    panels[3].set_ylabel(say("truth held"))
    drawn.legend(list(named.values()), list(named), loc="outside lower center", ncols=3, handlelength=2.6)
    return drawn


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
