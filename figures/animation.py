"""The distribution over answers as fine-tuning proceeds, grouped by style, beside the control: a picture for a lecture.

Answers of a style are ranked by P, prompt by prompt; a bar is the probability at that rank, averaged over P(x).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.text import Text
from PIL import Image

from figures._data import Tables, curve, phases, styles, title
from figures.style import style_colours

SIZE = (12.0, 6.0)
DPI = 90
LETTERS = {"font.size": 16, "axes.titlesize": 19, "axes.labelsize": 17, "xtick.labelsize": 16, "ytick.labelsize": 14}
FIRST, FRAME, LAST = 1600, 260, 3500
"""Milliseconds that a frame stays."""


WIDE = 0.92
"""Width of the block of a style; all are equally wide, however many answers they hold."""

FIGURE_SPACE = "\N{FIGURE SPACE}"
"""As wide as a digit, so that nothing moves sideways from frame to frame."""


@dataclass(frozen=True)
class Ranked:
    """Averaged rank probabilities of one style."""

    style: str
    p: np.ndarray  # float64[ranks]
    q: dict[str, np.ndarray]  # phase -> float64[steps, ranks]

    def mass(self, phase: str) -> np.ndarray:
        """q_t(z), or P(z) for the phase "P"."""
        return np.atleast_2d(self.p if phase == "P" else self.q[phase]).sum(axis=1)


@dataclass(frozen=True)
class Panel:
    """What changes from frame to frame in one panel."""

    axes: Axes
    phase: str
    bars: list[StepPatch]
    masses: list[Text]
    note: Text


def grouped(documents: pl.DataFrame, names: list[str]) -> tuple[pl.DataFrame, list[str]]:
    """Documents and the names of their groups: the styles, or in a world without them what S keeps and leaves out."""
    if names:
        return documents, names
    side = pl.when(pl.col("s") > 0.0).then(pl.lit("kept by S")).otherwise(pl.lit("left out by S"))
    documents = documents.with_columns(style=side)
    return documents, sorted(documents["style"].unique())


def ranked(documents: pl.DataFrame, strings: pl.DataFrame, shown: list[str], names: list[str]) -> list[Ranked]:
    """The named styles, each ranked by P."""
    weight = pl.col("prompt_mass")
    order = documents.select(
        "index", "style", "prompt_mass", "p", rank=pl.col("p").rank("ordinal", descending=True).over("prompt", "style")
    )
    truth = order.group_by("style", "rank").agg(p=(weight * pl.col("p")).sum()).sort("style", "rank")
    model = strings.filter(pl.col("phase").is_in(shown)).join(order.drop("p"), on="index", maintain_order="left")
    model = model.group_by("phase", "step", "style", "rank").agg(q=(weight * pl.col("q")).sum())
    model = model.sort("phase", "step", "style", "rank")
    found = []
    for style in names:
        p = truth.filter(style=style)["p"].to_numpy()
        own = model.filter(style=style)
        q = {phase: own.filter(phase=phase)["q"].to_numpy().reshape(-1, len(p)) for phase in shown}
        found.append(Ranked(str(style), p, q))
    return found


def draw(tables: Tables) -> Figure:
    """The last frame."""
    drawn, panels, blocks = _stage(tables)
    _show(panels, blocks, tables, -1)
    return drawn


def animate(tables: Tables, file: Path) -> int:
    """Write the GIF, a frame per evaluation; returns the number of frames.

    Only what changes is drawn anew, and all frames share one palette; PillowWriter does neither.
    """
    drawn, panels, blocks = _stage(tables)
    canvas = FigureCanvasAgg(drawn)
    moving = [artist for panel in panels for artist in (*panel.bars, *panel.masses, panel.note)]
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    background = canvas.copy_from_bbox(drawn.bbox)
    frames = []
    for index in range(len(curve(tables["metrics"], "sft", "gate").steps)):
        _show(panels, blocks, tables, index)
        canvas.restore_region(background)
        renderer: RendererAgg = canvas.get_renderer()
        for artist in moving:
            artist.draw(renderer)
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    _write(frames, file)
    return len(frames)


def percent(share: float) -> str:
    """A share in percent, in few digits, and "100 %" or "0 %" only where that is what it is to three digits."""
    if 0.0 < share < 0.01:
        return f"{100 * share:.1g} %"
    return f"{100 * share:.1f} %" if 0.99 <= share < 0.9995 else f"{100 * share:.0f} %"


def _write(frames: list[Image.Image], file: Path) -> None:
    sample = Image.new("RGB", (frames[0].width, 2 * frames[0].height))
    sample.paste(frames[0], (0, 0))
    sample.paste(frames[-1], (0, frames[0].height))
    palette = sample.quantize(96, dither=Image.Dither.NONE)
    small = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [FIRST, *[FRAME] * (len(frames) - 2), LAST][-len(frames) :]
    small[0].save(file, save_all=True, append_images=small[1:], duration=durations, loop=0, optimize=False)


def _stage(tables: Tables) -> tuple[Figure, list[Panel], list[Ranked]]:
    """Everything that stands still, and the artists that will move."""
    metrics = tables["metrics"]
    shown = phases(metrics)[:2]
    documents, names = grouped(tables["documents"], styles(metrics))
    blocks = ranked(documents, tables["strings"], shown, names)
    drawn = Figure(figsize=SIZE, dpi=DPI)
    FigureCanvasAgg(drawn)
    panels = []
    for axes, phase in zip(drawn.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        panels.append(_panel(axes, phase, blocks))
        axes.set_title(title(metrics, phase), pad=46)
    panels[0].axes.set_ylabel("probability of an answer (grey line: P)")
    least = min(float(np.min(values[values > 0.0])) for block in blocks for values in block.q.values())
    most = max(float(np.max(values)) for block in blocks for values in block.q.values())
    lowest = int(np.floor(np.log10(least)))
    panels[0].axes.set_ylim(10.0**lowest, 20.0 * most)  # room for the percentages above the bars
    panels[0].axes.set_yticks([10.0**power for power in range(0, lowest, -2)])
    panels[0].axes.minorticks_off()
    return drawn, panels, blocks


def _panel(axes: Axes, phase: str, blocks: list[Ranked]) -> Panel:
    colours = style_colours([block.style for block in blocks])
    bars, masses, middles = [], [], []
    axes.set_yscale("log")
    for place, block in enumerate(blocks):
        edges = place + WIDE * np.linspace(0.0, 1.0, len(block.p) + 1)
        bars.append(axes.stairs(block.p, edges, baseline=1e-300, fill=True, color=colours[block.style]))
        axes.stairs(block.p, edges, baseline=None, color="0.45", linewidth=1.4, zorder=3)
        middles.append(float(edges.mean()))
        masses.append(axes.text(middles[-1], 0.93, "", transform=axes.get_xaxis_transform(), ha="center", va="top"))
        masses[-1].set(color=colours[block.style], fontweight="bold")
    axes.set_xticks(middles, [block.style for block in blocks])
    for tick, block in zip(axes.get_xticklabels(), blocks, strict=True):
        tick.set(color=colours[block.style], fontweight="bold")
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("answers of each style, most likely under P first")
    axes.set_xlim(WIDE - 1.0, len(blocks))
    note = axes.text(0.0, 1.03, "", transform=axes.transAxes, va="bottom", fontweight="bold")
    return Panel(axes, phase, bars, masses, note)


def _show(panels: list[Panel], blocks: list[Ranked], tables: Tables, index: int) -> None:
    for panel in panels:
        divergence = curve(tables["metrics"], panel.phase, "kl", "P||q")
        for block, bar, text in zip(blocks, panel.bars, panel.masses, strict=True):
            bar.set_data(block.q[panel.phase][index])
            share = block.mass(panel.phase)[index]
            text.set_text(percent(share))
        panel.note.set_text(
            f"step {str(divergence.steps[index]).ljust(6, FIGURE_SPACE)} KL(P‖q) = {divergence.lower[index]:.3f} nat"
        )
