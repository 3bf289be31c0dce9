"""What fine-tuning forgets and gains: KL(P‖q) split into gate, kept and erasure; KL(S‖q); the mass outside A."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import DISTRIBUTIONS, HATCHES, PARTS, Look
from figures.curves import Tables, curve, ends, is_control, phases, tuned
from figures.labels import Label, beside, head
from figures.language import say
from figures.style import factor, figure, step_axis
from figures.words import averaged, control_name, data, method, three, title, under

TABLES = ("metrics", "phases", "run")

SPLIT = ("gate", "kept", "erasure")
LARGEST = 3.0
"""Upper end of the axis for a mass, with room above 1."""

OFF = Look("#0072B2", "", (0, (1, 1)))
"""The look of the mass off the support of P."""


def draw(tables: Tables) -> Figure:
    """Draw KL(P‖q_t) of the fine-tuning and its first control as stacks; below, the fit and the mass off A of all."""
    metrics, shown = tables["metrics"], tuned(tables)
    drawn, panels = figure(5.2, 2, sharey=False, num_rows=2)
    panels[1].sharey(panels[0])
    for axes, phase in zip(panels[:2], shown, strict=False):
        _split(axes, tables, phase)
    panels[1].set_visible(len(shown) > 1)
    panels[0].set_ylabel(r"$\mathrm{KL}(P\,\|\,q_t)$ [nat]")
    last = int(curve(metrics, phases(tables, "fine-tuning")[0], "gate").steps[-1])
    for axes, law in zip(panels, ("P(x)", "P(x)", "S(x)", "P(x)"), strict=True):
        step_axis(axes, last)
        where = averaged(tables, law)
        axes.set_xlabel(under(axes.get_xlabel(), where))
    for axes in panels[:2]:
        _bands(axes, tables, shown[panels.index(axes)]) if axes.get_visible() else None
    _fit(panels[2], tables, shown)
    _mass(panels[3], tables, shown)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "Forgetting and fit over the fine-tuning. Above: KL(P‖q_t), exactly the sum of three parts: gate "
        "(mass that moved from the lost answers to the kept ones), kept (wrong proportions within the "
        "kept part A), erasure (wrong proportions within the lost part). Below: the distance to the data, "
        "and the mass off A; the blue dotted line is its part off the support of P. Dashed black: the "
        "value of P itself. All numbers are exact. {data}.",
        data=data(tables),
    )


def _heights(tables: Tables, phase: str) -> tuple[np.ndarray, np.ndarray]:
    parts = {part: curve(tables["metrics"], phase, part) for part in SPLIT}
    return parts["gate"].steps, np.array([part.lower for part in parts.values()])


def _split(axes: Axes, tables: Tables, phase: str) -> None:
    """Draw the stack, which adds up exactly to KL(P‖q_t)."""
    steps, heights = _heights(tables, phase)
    bands = axes.stackplot(steps, heights, colors=[PARTS[part] for part in SPLIT], linewidth=0)
    for band, part in zip(bands, SPLIT, strict=True):
        band.set(hatch=HATCHES.get(part, ""), edgecolor="white")
    axes.set_ylim(0.0, max(axes.get_ylim()[1], 1.2 * heights.sum(axis=0).max()))
    head(axes, title(tables, phase))
    total = float(heights[:, -1].sum())  # written out, because that of a control is too small to be seen
    at_end = say("{total} nat at the end", total=three(total))
    axes.annotate(at_end, (1.0, 1.0), xycoords="axes fraction", ha="right", va="top", fontsize="small")


def _bands(axes: Axes, tables: Tables, phase: str) -> None:
    """The parts and what they come to in the end, beside their bands."""
    _, heights = _heights(tables, phase)
    ends = heights[:, -1]
    middles = np.cumsum(ends) - ends / 2
    named = zip(SPLIT, ends, middles, strict=True)
    beside(axes, [Label(f"{say(part)} {three(float(end))}", float(at), PARTS[part]) for part, end, at in named])


def _named(tables: Tables, phase: str) -> tuple[str, Look]:
    control = is_control(tables, phase)
    return (control_name(tables, phase) if control else method(tables)), DISTRIBUTIONS["control" if control else "q"]


def _fit(axes: Axes, tables: Tables, shown: list[str]) -> None:
    """Draw KL(S‖q_t) of every fine-tuning, and KL(S‖P), which theory predicts for the controls."""
    labels = []
    for phase in shown:
        name, look = _named(tables, phase)
        gap = curve(tables["metrics"], phase, "kl", "S||q")
        axes.plot(gap.steps, gap.lower, **look.line)
        labels.append(Label(name, float(gap.lower[-1]), look.colour))
    shift = ends(tables["metrics"], "truth", "shift_total", "S||P")[0]
    axes.set(ylabel=r"$\mathrm{KL}(S\,\|\,q_t)$ [nat]", title=say("Distance to the data S"))
    _finish(axes, shift, labels)


def _mass(axes: Axes, tables: Tables, shown: list[str]) -> None:
    """Draw 1 - q_t(A) of every fine-tuning, and the part of it that is off the support of P."""
    labels, metrics = [], tables["metrics"]
    for phase in shown:
        name, look = _named(tables, phase)
        kept, off = curve(metrics, phase, "event_mass", "q(A)"), curve(metrics, phase, "outside_p")
        axes.plot(kept.steps, 1.0 - kept.lower, **look.line)
        labels.append(Label(name, float(1.0 - kept.lower[-1]), look.colour))
        if not is_control(tables, phase):
            axes.plot(off.steps, off.lower, color=OFF.colour, linestyle=OFF.dashes)
            labels.append(Label(say("{name}, off P", name=name), float(off.lower[-1]), OFF.colour))
    axes.set(ylabel="$1 - q_t(A)$", title=say("Mass off the kept part A"))
    _finish(axes, 1.0 - ends(metrics, "truth", "event_mass", "P(A)")[0], labels, LARGEST)


def _finish(axes: Axes, truth: float, labels: list[Label], top: float | None = None) -> None:
    """Add the line of P, a logarithmic axis if any value is above 0, and the names of the values on that axis."""
    look = DISTRIBUTIONS["P"]
    if np.isfinite(truth) and truth > 0.0:
        axes.axhline(truth, color=look.colour, linestyle=look.dashes, linewidth=0.8 * factor(), zorder=3)
        labels = [*labels, Label("$P$", truth, look.colour)]
    if any((np.asarray(line.get_ydata()) > 0.0).any() for line in axes.lines):
        axes.set_yscale("log")
    if top is not None:
        axes.set_ylim(top=top)
    beside(axes, [label for label in labels if label.height > 0.0 or axes.get_yscale() != "log"])
