"""H(P) -> conditioning -> narrowing -> learning error -> H(q), beside the control. One bar per row of the table."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures._data import Tables, ends, phases, title
from figures.style import DISTRIBUTIONS, PARTS, figure

LABELS = ("$H(P)$", "condi-\ntioning", "nar-\nrowing", "learning\nerror", "$H(q)$")


def draw(tables: Tables) -> Figure:
    """A panel per fine-tuning; an interval that is only certified is an error bar from its lower to its upper end."""
    metrics = tables["metrics"]
    shown, prompts = phases(metrics), bool((tables["documents"]["prompt"] != "").any())
    drawn, panels = figure(2.9, len(shown))
    for axes, phase in zip(panels, shown, strict=True):
        law = "S(x)" if phase == "sft" else "P(x)"
        start = ends(metrics, "truth", "entropy", "P", law)[0]
        steps = {
            part: ends(metrics, phase, f"waterfall_{part}", law=law)
            for part in ("conditioning", "narrowing", "learning")
        }
        _panel(axes, start, steps, DISTRIBUTIONS["q" if phase == "sft" else "control"])
        axes.set_xlabel(f"averaged over prompts $x \\sim {law[0]}(x)$" if prompts else "")
        axes.set_title(title(metrics, phase))
        axes.set_ylim(0.0, 1.2 * start)
    panels[0].set_ylabel("entropy of answers [nat]")
    return drawn


def _panel(axes: Axes, start: float, steps: dict[str, tuple[float, float]], colour: str) -> None:
    """Bars hang from what is left; the learning error is drawn to the lower end of H(q)."""
    axes.bar(0, start, color=DISTRIBUTIONS["P"], width=0.7)
    _label(axes, 0, start, f"{start:.2f}")
    level = start
    for place, (part, (lower, upper)) in enumerate(steps.items(), start=1):
        axes.bar(place, -upper, bottom=level, color=PARTS[part], width=0.7)
        axes.plot([place - 1.35, place + 0.35], [level, level], color="0.5", linewidth=0.7)
        top = max(level, level - lower)
        level -= upper
        _label(axes, place, top, _change(-upper, -lower))
        width = upper - lower
    bottom, top = level, level + width
    axes.plot([2.65, 4.35], [level, level], color="0.5", linewidth=0.7)
    axes.bar(4, bottom, color=colour, width=0.7)
    if width > 0.0:
        axes.errorbar(
            [3, 4],
            [bottom, bottom],
            yerr=[[0.0, 0.0], [width, width]],
            fmt="none",
            ecolor="black",
            capsize=4,
            elinewidth=1.2,
        )
    _label(axes, 4, top, f"{bottom:.2f}" if width < 0.005 else f"{bottom:.2f} to\n{top:.2f}")
    axes.set_xticks(range(5), LABELS)
    axes.tick_params(axis="x", length=0)


def _change(lower: float, upper: float) -> str:
    if abs(lower) < 0.005 and abs(upper) < 0.005:
        return "0"
    said = f"{lower:+.2f}" if upper - lower < 0.005 else f"{lower:+.2f} to\n{upper:+.2f}"
    return said.replace("-", "\N{MINUS SIGN}")


def _label(axes: Axes, place: float, height: float, text: str) -> None:
    axes.annotate(text, (place, height), (0, 4), textcoords="offset points", ha="center", va="bottom", fontsize=8)
