"""C4.5: what each stage of a training adds to KL(P‖q), and takes from the entropy."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.c4_cloning.weights import counted
from figures.colours import HATCHES, PARTS
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "stages")

BARS = {
    ("stages_sft", "sft"): "1st: SFT, z0 and z1",
    ("stages_sft", "stage_2"): "2nd: SFT on z0",
    ("stages_klpg", "stage_2"): "2nd: KL policy gradient",
    ("stages_dpo", "stage_2"): "2nd: DPO",
    ("stages_hard", "stage_2"): "2nd: DPO, hard labels",
    ("stages_sft", "stage_2_identity"): "2nd: SFT on P",
}
"""The bars, by part and phase."""


def draw(tables: Tables) -> Figure | None:
    """Draw the parts of KL(P‖q) that every stage adds, and the entropy that it loses; means over seeds."""
    found = _valid(tables)
    if not found.height:
        return None
    drawn, (left, right) = figure(2.9, 2)
    for place, ((part, phase), _) in enumerate(BARS.items()):
        own = found.filter(part=part, phase=phase)
        if own.height:
            _stack(left, place, own, first=place == 0)
            middle = (own["entropy"] + own["entropy_upper"]).to_numpy() / 2
            right.barh(place, middle.mean(), color=PARTS["narrowing"], height=0.65)
            right.plot(middle, [place] * len(middle), ".", color="black", markersize=3.0 * factor())
            left.plot(own["kl"], [place] * own.height, ".", color="black", markersize=3.0 * factor())
    left.set_yticks(range(len(BARS)), [say(name) for name in BARS.values()])
    left.invert_yaxis()
    left.set_xlabel(say(r"added to $KL(P\|q)$ [nat]"))
    right.set_xlabel(say("entropy lost, $H(start) - H(q)$ [nat]"))
    for axes in (left, right):
        axes.axvline(0.0, color="black", linewidth=0.8 * factor())
        axes.tick_params(axis="y", length=0)
    drawn.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C4.5. The waterfall by stage: what the first stage (SFT on the styles z0 and z1) and each of "
        "four second stages (that keep z0 alone) add to KL(P‖q), split into gate, kept and erasure as the "
        "stage itself divides A and B; and the entropy that a stage loses. The last bar is a second stage "
        "on fresh data from P. Means over {seeds}; points are worlds (their entropy is the middle of its "
        "bounds).",
        seeds=num_seeds(_valid(tables)),
    )


def _valid(tables: Tables) -> pl.DataFrame:
    return counted(tables["stages"])


def _stack(axes: Axes, place: int, own: pl.DataFrame, first: bool) -> None:
    """Draw the parts end to end: what is added to the right of 0, and what is taken away to the left."""
    ends = {1.0: 0.0, -1.0: 0.0}
    for part in ("gate", "kept", "erasure"):
        size = float(own[part].to_numpy().mean())
        side = 1.0 if size >= 0 else -1.0
        axes.barh(
            place, size, left=ends[side], color=PARTS[part], hatch=HATCHES.get(part, ""), edgecolor="white",
            linewidth=0, height=0.65, label=say(part) if first else None,
        )  # fmt: skip
        ends[side] += size
