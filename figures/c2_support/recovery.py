"""C2.4: how soon the lost answers are learnt again, from the fine-tuned model and from scratch."""

from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, PALE
from figures.curves import Tables, num_seeds
from figures.labels import below, head
from figures.language import say
from figures.style import factor, figure, step_axis

TABLES = ("runs", "relearning", "relearning_paths")

STARTS = {"recovery": ("from the fine-tuned model", "q"), "scratch": ("from scratch", "control")}


def draw(tables: Tables) -> Figure | None:
    """Draw KL(P_B||q(.|B)) over the steps on the lost part from both starting points: a panel for each case."""
    paths = tables["relearning_paths"]
    if not paths.height:
        return None
    cases = paths.select("restriction", "targets").unique(maintain_order=True).sort("restriction", "targets").rows()
    drawn, panels = figure(2.9, len(cases))
    for number, (axes, (restriction, targets)) in enumerate(zip(panels, cases, strict=True)):
        own = paths.filter(restriction=restriction, targets=targets)
        axes.set_yscale("log")
        for threshold in thresholds(tables):
            axes.axhline(threshold, color=PALE, zorder=0)
        for start, (name, look) in STARTS.items():
            for place, (_, path) in enumerate(own.filter(start=start).group_by("run", maintain_order=True)):
                label = say(name) if number == place == 0 else None
                shown = {**DISTRIBUTIONS[look].line, "linestyle": "-"}
                axes.plot(path["step"], path["kl"], linewidth=factor(), **shown, markevery=0.25, label=label)
        step_axis(axes, int(own["step"].to_numpy().max()), most=3)
        below(axes, say("steps on the lost part"))
        head(axes, say("{restriction}, {targets} targets", restriction=restriction, targets=targets))
    panels[0].set_ylabel(r"$KL(P_B\|q(\cdot|B))$ [nat]")
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    levels = ", ".join(f"{one:g}" for one in thresholds(tables))
    return say(
        "C2.4. Learning again: KL(P_B‖q(·|B)), the divergence from the lost part given that an answer is "
        "in it, over the steps of training on P_B; a line for each of {seeds}, exact. Grey: the "
        "thresholds {levels} nats at which savings are counted. How closed the gate was at first costs "
        "nothing here.",
        seeds=num_seeds(tables["relearning_paths"]),
        levels=levels,
    )


def thresholds(tables: Tables) -> list[float]:
    """Return the thresholds at which savings are counted, the largest first [nat]."""
    return sorted(tables["relearning"]["threshold"].unique(), reverse=True)
