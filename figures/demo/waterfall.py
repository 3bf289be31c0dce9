"""H(P), the changes of entropy by conditioning, narrowing and learning, and H(q), beside the controls.

A step is drawn as a change, after - before. The rows `waterfall_*` of the table hold the loss, before - after. If the
optimum q* of the objective is not S, a further step leads from H(S) to H(q*), and learning starts there.
"""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, GUIDE, HATCHES, PARTS
from figures.curves import Tables, ends, is_control, rows, tuned
from figures.labels import below, head
from figures.language import say
from figures.style import factor, figure, is_slide
from figures.words import averaged, change, data, strings, title, under

TABLES = ("metrics", "phases", "run")

REACHED = {"conditioning": "H(P_A)", "narrowing": "H(S)", "objective": "H(q^*)", "learning": "H(q)"}

ROOM = {False: 1.55, True: 1.75}
"""Length of the axis on paper and on a slide, in lengths of the farthest bar. Numbers stand right of the bars."""

SAME = 1e-9
"""If the entropies of q* and S differ by at most this, they count as equal [nat]."""

Steps = dict[str, tuple[float, float]]


def draw(tables: Tables) -> Figure:
    """Draw a panel per fine-tuning. A number that is only bounded has an error bar from its lower to its upper end."""
    metrics, shown = tables["metrics"], tuned(tables)
    changes = {phase: steps(tables, phase, law(tables, phase)) for phase in shown}
    parts = [part for part in REACHED if any(part in one for one in changes.values())]
    drawn, panels = figure(0.9 + 0.42 * (len(parts) + 2), len(shown))
    for axes, phase in zip(panels, shown, strict=True):
        start = ends(metrics, "truth", "entropy", "P", law(tables, phase))[0]
        own = {part: changes[phase].get(part, (0.0, 0.0)) for part in parts}
        look = DISTRIBUTIONS["control" if is_control(tables, phase) else "q"]
        farthest = _panel(axes, start, own, look.colour)
        head(axes, title(tables, phase))
        where = averaged(tables, law(tables, phase))
        below(axes, under(say(f"entropy of {strings(tables)} [nat]"), where))
        axes.set_xlim(0.0, ROOM[is_slide()] * farthest if farthest > 0.0 else 1.0)
    ticks = ["$H(P)$", *(f"{say(part)} → ${REACHED[part]}$" for part in parts[:-1]), say("learning"), "$H(q)$"]
    panels[0].set_yticks(range(len(ticks)), ticks)
    panels[0].set_ylim(len(ticks) - 0.5, -0.5)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    lower = say(" “At least” marks a number of which a lower bound is known.") if _is_open(tables) else ""
    said = say(
        "Diversity waterfall. From the entropy H(P) of the language to the entropy H(q) of the tuned model, in steps: "
        "conditioning on what S keeps leads to H(P_A), narrowing to H(S), learning to H(q). Where the optimum q* of "
        "the objective differs from S, a step leads from H(S) to H(q*). Numbers are exact; black bars are certified "
        "bounds. For a control, S is P. {data}.",
        data=data(tables),
    )
    return said + lower


def _is_open(tables: Tables) -> bool:
    """Return whether whole strings alone are known of the model, so that its entropy has no upper bound."""
    metrics = tables["metrics"]
    return any(math.isinf(ends(metrics, phase, "entropy", "q", law(tables, phase))[1]) for phase in tuned(tables))


def law(tables: Tables, phase: str) -> str:
    """Return the law of prompts on which a phase was trained."""
    return "P(x)" if is_control(tables, phase) else "S(x)"


def steps(tables: Tables, phase: str, law: str) -> Steps:
    """Return the lower and the upper end of the change of entropy in each step [nat], in their order."""
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
    """Draw the bars and return the farthest end. Each bar begins where the last one ended, down to the lower H(q)."""
    axes.barh(0, start, color=DISTRIBUTIONS["P"].colour, height=0.7)
    _label(axes, 0, start, f"{start:.2f}")
    level = farthest = start
    width = 0.0
    for place, (part, (lower, upper)) in enumerate(changes.items(), start=1):
        hatch = HATCHES.get(part, "")
        axes.barh(place, lower, left=level, color=PARTS[part], height=0.7, hatch=hatch, edgecolor="white", linewidth=0)
        axes.plot([level, level], [place - 1.35, place + 0.35], color=GUIDE, linewidth=0.7)
        end = level + upper if math.isfinite(upper) else level + lower
        _label(axes, place, max(level, end), change(lower, upper) if math.isfinite(upper) else _at_least(lower))
        farthest, width = max(farthest, end), upper - lower
        level += lower
    last = len(changes)
    axes.plot([level, level], [last - 0.35, last + 1.35], color=GUIDE, linewidth=0.7)
    axes.barh(last + 1, level, color=colour, height=0.7)
    if 0.0 < width < math.inf:
        axes.errorbar(
            [level] * 2, [last, last + 1], xerr=[[0.0, 0.0], [width, width]], fmt="none", ecolor="black",
            capsize=3 * factor(), elinewidth=1.2 * factor(),
        )  # fmt: skip
    low, high = f"{level:.2f}", f"{level + width:.2f}"
    if width == math.inf:  # whole strings alone are known of the model
        _label(axes, last + 1, level, say("at least {low}", low=low))
    else:
        _label(axes, last + 1, level + width, say("{low} to {high}", low=low, high=high) if width >= 0.005 else low)
    axes.tick_params(axis="y", length=0)
    return farthest


def _at_least(lower: float) -> str:
    """Write a change of entropy of which a lower bound is known."""
    return say("at least {low}", low=change(lower, lower))


def _label(axes: Axes, place: float, end: float, text: str) -> None:
    axes.annotate(text, (end, place), (5, 0), textcoords="offset points", ha="left", va="center", fontsize="small")
