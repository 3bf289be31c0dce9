"""What fine-tuning forgets and gains: KL(P‖q) split into gate, kept and erasure; KL(S‖q); the mass left off A."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures._data import Tables, curve, ends, phases
from figures._words import averaged, method, three, title
from figures.style import DISTRIBUTIONS, PARTS, WIDTH, step_axis

SPLIT = {"gate": "gate: mass moved", "kept": "kept: off within A", "erasure": "erasure: lost part damaged"}
LARGEST = 3.0
"""Upper end of the axis of a mass, with room above 1."""


def draw(tables: Tables) -> Figure:
    """Above, KL(P‖q_t) stacked, the fine-tuning beside its first control; below, fit and mass off A of all of them."""
    metrics = tables["metrics"]
    shown = phases(metrics)
    drawn = Figure(figsize=(WIDTH, 5.6))
    panels = drawn.subplots(2, 2)
    panels[0, 1].sharey(panels[0, 0])
    for axes, phase in zip(panels[0], shown, strict=False):
        _split(axes, tables, phase)
    panels[0, 1].set_visible(len(shown) > 1)
    panels[0, 0].set_ylabel(r"$\mathrm{KL}(P\,\|\,q_t)$ [nat]")
    for phase in shown:
        _lines(panels[1, 0], panels[1, 1], tables, phase)
    _targets(panels[1, 0], panels[1, 1], tables)
    for axes, law in zip(panels.flat, ("P(x)", "P(x)", "S(x)", "P(x)"), strict=True):
        step_axis(axes, int(curve(metrics, "sft", "gate").steps[-1]))
        where = averaged(tables, law)
        axes.set_xlabel(", ".join(part for part in (axes.get_xlabel(), where) if part))
    labels = {
        label: handle for axes in panels.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    drawn.legend(list(labels.values()), list(labels), loc="outside lower center", ncols=3, handlelength=1.8)
    return drawn


def _split(axes: Axes, tables: Tables, phase: str) -> None:
    """The stack adds up to KL(P‖q_t), exactly."""
    parts = {part: curve(tables["metrics"], phase, part) for part in SPLIT}
    heights = np.array([part.lower for part in parts.values()])
    colours = [PARTS[part] for part in SPLIT]
    axes.stackplot(parts["gate"].steps, heights, colors=colours, labels=list(SPLIT.values()), linewidth=0)
    axes.set_ylim(0.0, max(axes.get_ylim()[1], 1.1 * heights.sum(axis=0).max()))
    axes.set_title(title(tables, phase))
    total = float(heights[:, -1].sum())  # said in words, since the control's is too small to see
    at_end = f"{three(total)} nat at the end"
    axes.annotate(at_end, (1.0, total), (0, 3), ("axes fraction", "data"), textcoords="offset points", ha="right")


def _lines(fit: Axes, mass: Axes, tables: Tables, phase: str) -> None:
    metrics = tables["metrics"]
    colour = DISTRIBUTIONS["q" if phase == "sft" else "control"]
    name = method(tables) if phase == "sft" else f"{phase} control"
    gap, kept = curve(metrics, phase, "kl", "S||q"), curve(metrics, phase, "event_mass", "q(A)")
    off = curve(metrics, phase, "off_support")
    fit.plot(gap.steps, gap.lower, color=colour, label=name)
    mass.plot(kept.steps, 1.0 - kept.lower, color=colour, label=name)
    mass.plot(off.steps, off.lower, color=colour, linestyle=":", linewidth=1.3, label=f"{name}: off supp P alone")


def _targets(fit: Axes, mass: Axes, tables: Tables) -> None:
    """What theory predicts for the control; SFT's own targets are 0, which has no place on these axes."""
    shift = ends(tables["metrics"], "truth", "shift_total", "S||P")[0]
    lost = 1.0 - ends(tables["metrics"], "truth", "event_mass", "P(A)")[0]
    for axes, value in ((fit, shift), (mass, lost)):
        if np.isfinite(value) and value > 0.0:
            axes.axhline(value, color=DISTRIBUTIONS["P"], linestyle=(0, (4, 3)), linewidth=0.8, zorder=3, label="$P$")
    fit.set(ylabel=r"$\mathrm{KL}(S\,\|\,q_t)$ [nat]", title="distance to the SFT data")
    mass.set(ylabel="$1 - q_t(A)$", title="mass off the kept part A")
    for axes in (fit, mass):
        if any((np.asarray(line.get_ydata()) > 0.0).any() for line in axes.lines):
            axes.set_yscale("log")
    mass.set_ylim(top=LARGEST)
