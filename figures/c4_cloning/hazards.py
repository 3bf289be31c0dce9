"""C4.3: the hazard of leaving the data under own prefixes against that under true prefixes."""

import polars as pl
from matplotlib.figure import Figure

from figures.c4_cloning.weights import counted
from figures.colours import DISTRIBUTIONS, GUIDE, Look
from figures.curves import Tables, mean_over, num_seeds
from figures.language import say
from figures.style import factor, figure, step_axis

TABLES = ("runs", "hazards", "drift")


def draw(tables: Tables) -> Figure | None:
    """Draw own against true hazard of every step shown, and the relative shift along the fine-tuning."""
    steps, drift = _shown(tables["hazards"]), _shown(tables["drift"])
    if not steps.height or not drift.height:
        return None
    drawn, (left, right) = figure(3.2, 2, sharey=False)
    models = {"before": ("sft", "first", DISTRIBUTIONS["q0"]), "after": ("sft", "last", DISTRIBUTIONS["q"]),
              "control": ("identity", "last", DISTRIBUTIONS["control"])}  # fmt: skip
    for name, (phase, when, look) in models.items():
        own = steps.filter(phase=phase, when=when)
        left.plot(own["true"], own["own"], label=say(name), markersize=3.0 * factor(), alpha=0.6, **look.points)
    ends = [steps["true"].to_numpy().min() / 2, steps["true"].to_numpy().max() * 2]
    left.plot(ends, ends, color=GUIDE, linestyle=":", linewidth=0.8 * factor(), zorder=0)
    left.set(xscale="log", yscale="log", xlabel=say("hazard, prefixes of $S$"), ylabel=say("hazard, own prefixes"))
    left.legend()
    for targets, look in (("exact", Look("#D55E00", "o")), ("sampled", Look("#0072B2", "s", (0, (5, 1.5))))):
        own = drift.filter(targets=targets).with_columns(relative=pl.col("shift") / pl.col("true"))
        mean = mean_over(own, "step", "relative")
        for _, run in own.sort("step").group_by("run", maintain_order=True):
            right.plot(
                run["step"],
                run["relative"],
                color=look.colour,
                linestyle=look.dashes,
                linewidth=0.5 * factor(),
                alpha=0.3,
            )
        right.plot(mean["step"], mean["relative"], label=say("{targets} targets", targets=targets), **look.line)
    right.axhline(0.0, color=GUIDE, linestyle=":", linewidth=0.8 * factor(), zorder=0)
    step_axis(right, int(drift["step"].to_numpy().max()))
    right.set_ylabel(say("own / true hazard − 1"))
    right.legend()
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C4.3. Left: the probability to leave the support of the data at a step, under the model's own "
        "prefixes that are still on it, against that under prefixes of S; a mark for each world and for "
        "the steps 1, 2, 4, 8, 16; exact targets. Right: how much larger the own hazard is, mean over "
        "steps, along the fine-tuning. Below 0 own prefixes are safer. {seeds}; all numbers are exact.",
        seeds=num_seeds(_shown(tables["drift"])).capitalize(),
    )


def _shown(found: pl.DataFrame) -> pl.DataFrame:
    if not found.height:
        return found
    own = counted(found).filter(part="drift")
    return own.filter(targets="exact") if "when" in own.columns else own.filter(phase="sft")
