"""H(P), the changes of entropy by conditioning, narrowing and learning, H(q), beside the control.

A step is drawn as the change it makes, after - before; the table's rows `waterfall_*` hold the loss, before - after.
Where the optimum q* of the objective is not S, a step of its own leads from H(S) to H(q*), and learning starts there.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures._data import Tables, ends, phases, rows
from figures._words import averaged, change, strings, title
from figures.style import DISTRIBUTIONS, PARTS, figure

NAMES = {
    "conditioning": "condi-\ntioning",
    "narrowing": "nar-\nrowing",
    "objective": "objec-\ntive",
    "learning": "learn-\ning",
}
REACHED = {"conditioning": "H(P_A)", "narrowing": "H(S)", "objective": "H(q^*)", "learning": "H(q)"}

SAME = 1e-9
"""Nats below which q* has the entropy of S."""

Steps = dict[str, tuple[float, float]]


def draw(tables: Tables) -> Figure:
    """A panel per fine-tuning; an interval that is only certified is an error bar from its lower to its upper end."""
    metrics = tables["metrics"]
    shown = phases(metrics)
    drawn, panels = figure(3.2, len(shown))
    for axes, phase in zip(panels, shown, strict=True):
        law = "S(x)" if phase == "sft" else "P(x)"
        start = ends(metrics, "truth", "entropy", "P", law)[0]
        changes = steps(tables, phase, law)
        top = _panel(axes, start, changes, DISTRIBUTIONS["q" if phase == "sft" else "control"])
        places = [name if phase == "sft" or part == "learning" else "H(P)" for part, name in REACHED.items()]
        reached = dict(zip(REACHED, places, strict=True))
        ticks = ["$H(P)$", *(f"{NAMES[part]}\n→ ${reached[part]}$" for part in changes), "$H(q)$"]
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlabel(f"prompts {averaged(tables, law)}" if averaged(tables, law) else "")
        axes.set_title(title(tables, phase))
        axes.set_ylim(0.0, max(1.25 * top, axes.get_ylim()[1]) if top > 0.0 else 1.0)
    panels[0].set_ylabel(f"entropy of {strings(tables)} [nat]\n(steps: change, after − before)")
    return drawn


def steps(tables: Tables, phase: str, law: str) -> Steps:
    """Lower and upper end of the change of entropy in each step [nat], in their order."""
    metrics = tables["metrics"]
    losses = {part: ends(metrics, phase, f"waterfall_{part}", law=law) for part in ("conditioning", "narrowing")}
    learning = ends(metrics, phase, "waterfall_learning", law=law)
    if rows(metrics, phase, "objective_gap", law=law).height:
        gap = ends(metrics, phase, "objective_gap", law=law)
        if abs(gap[0]) > SAME:
            losses["objective"] = gap
            learning = (learning[0] - gap[0], learning[1] - gap[0])
    return {part: (0.0 - upper, 0.0 - lower) for part, (lower, upper) in (losses | {"learning": learning}).items()}


def _panel(axes: Axes, start: float, changes: Steps, colour: str) -> float:
    """Bars hang from what is left; the last step leads to the lower end of H(q). Returns the highest level."""
    axes.bar(0, start, color=DISTRIBUTIONS["P"], width=0.7)
    _label(axes, 0, start, f"{start:.2f}")
    level = highest = start
    width = 0.0
    for place, (part, (lower, upper)) in enumerate(changes.items(), start=1):
        axes.bar(place, lower, bottom=level, color=PARTS[part], width=0.7)
        axes.plot([place - 1.35, place + 0.35], [level, level], color="0.5", linewidth=0.7)
        _label(axes, place, max(level, level + upper), change(lower, upper))
        highest, width = max(highest, level + upper), upper - lower
        level += lower
    last = len(changes)
    axes.plot([last - 0.35, last + 1.35], [level, level], color="0.5", linewidth=0.7)
    axes.bar(last + 1, level, color=colour, width=0.7)
    if width > 0.0:
        ends_at = [[0.0, 0.0], [width, width]]
        axes.errorbar(
            [last, last + 1], [level] * 2, yerr=ends_at, fmt="none", ecolor="black", capsize=4, elinewidth=1.2
        )
    final = f"{level:.2f} to\n{level + width:.2f}" if width >= 0.005 else f"{level:.2f}"
    _label(axes, last + 1, level + width, final)
    axes.tick_params(axis="x", length=0)
    return highest


def _label(axes: Axes, place: float, height: float, text: str) -> None:
    axes.annotate(text, (place, height), (0, 4), textcoords="offset points", ha="center", va="bottom", fontsize=7.5)
