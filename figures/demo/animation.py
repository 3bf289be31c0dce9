"""An animation for lectures: the distribution over answers during fine-tuning, grouped by style, beside the control.

For each prompt, the answers of a style are ranked by P. A bar is the probability at one rank, averaged over P(x).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from PIL import Image

from figures.colours import GUIDE, ink, style_colours
from figures.curves import Tables, curve, phases, styles, tuned
from figures.glyphs import complete
from figures.labels import head
from figures.language import say
from figures.style import factor, figure, styled
from figures.words import about, averaged, data, mark, percent, plain, strings, three, title

TABLES = ("metrics", "phases", "run", "documents", "strings")

DPI = 108
FIRST, FRAME, LAST = 1600, 260, 3500
"""Durations of the first frame, of a frame in between, and of the last frame [ms]."""

WIDE = 0.92
"""Width of the block of a style. All blocks have the same width, for any number of answers."""

FILLED = 0.8
"""Share of the height that bars and lines may take. The percentages are above them."""

FIGURE_SPACE = "\N{FIGURE SPACE}"
"""A space as wide as a digit, so that nothing moves sideways from frame to frame."""


@dataclass(frozen=True)
class Ranked:
    """The averaged probabilities of one style by rank, under P and under the models."""

    style: str
    p: np.ndarray  # float64[ranks]
    q: dict[str, np.ndarray]  # phase -> float64[steps, ranks]

    def mass(self, phase: str) -> np.ndarray:
        """Return q_t(z) at every step, or P(z) for the phase "P": float64[steps] or float64[1]."""
        return np.atleast_2d(self.p if phase == "P" else self.q[phase]).sum(axis=1)


@dataclass(frozen=True)
class Panel:
    """A panel with the artists that change from frame to frame."""

    axes: Axes
    phase: str
    bars: list[StepPatch]
    truths: list[StepPatch]
    masses: list[Text]
    note: Text


def grouped(documents: pl.DataFrame, names: list[str]) -> tuple[pl.DataFrame, list[str]]:
    """Return documents and the names of their groups: the styles or, if there are none, what S keeps and leaves out."""
    if names:
        return documents, names
    side = pl.when(pl.col("s") > 0.0).then(pl.lit("kept by S")).otherwise(pl.lit("left out by S"))
    documents = documents.with_columns(style=side)
    return documents, sorted(documents["style"].unique())


def ranked(documents: pl.DataFrame, probabilities: pl.DataFrame, shown: list[str], names: list[str]) -> list[Ranked]:
    """Return the named styles, each ranked by P."""
    weight = pl.col("prompt_mass")
    order = documents.select(
        "index", "style", "prompt_mass", "p", rank=pl.col("p").rank("ordinal", descending=True).over("prompt", "style")
    )
    truth = order.group_by("style", "rank").agg(p=(weight * pl.col("p")).sum()).sort("style", "rank")
    model = probabilities.filter(pl.col("phase").is_in(shown)).join(order.drop("p"), on="index", maintain_order="left")
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
    """Draw the last frame."""
    drawn, panels, blocks = _stage(tables)
    _show(panels, blocks, tables, -1)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    one = "answer" if about(tables)["num_prompts"] else "string"
    return say(
        "Probability of every {one} under the model, by rank: within each group the {one} that is "
        "likeliest under P comes first. The grey line is P. Above each group stands its mass. The picture "
        "shows the last step, and the GIF every evaluation from q₀ on. All numbers are exact. {data}.",
        one=one,
        data=data(tables),
    )


def animate(tables: Tables, file: Path) -> int:
    """Write the GIF for a slide, with a frame per evaluation, and return the number of frames.

    Only what changes is redrawn, and all frames share one palette. PillowWriter does neither.
    """
    with styled("slide"):
        frames = list(_frames(tables))
    _write(frames, file)
    return len(frames)


def _frames(tables: Tables) -> Iterator[Image.Image]:
    drawn, panels, blocks = _stage(tables)
    complete(drawn)
    drawn.set_dpi(DPI)
    canvas = FigureCanvasAgg(drawn)
    moving = [one for panel in panels for one in (*panel.bars, *panel.truths, *panel.masses, panel.note)]
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    background = canvas.copy_from_bbox(drawn.bbox)
    for index in range(len(curve(tables["metrics"], phases(tables, "fine-tuning")[0], "gate").steps)):
        _show(panels, blocks, tables, index)
        canvas.restore_region(background)
        renderer: RendererAgg = canvas.get_renderer()
        for artist in moving:
            artist.draw(renderer)
        yield Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _write(frames: list[Image.Image], file: Path) -> None:
    sample = Image.new("RGB", (frames[0].width, 2 * frames[0].height))
    sample.paste(frames[0], (0, 0))
    sample.paste(frames[-1], (0, frames[0].height))
    palette = sample.quantize(96, dither=Image.Dither.NONE)
    small = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [FIRST, *[FRAME] * (len(frames) - 2), LAST][-len(frames) :]
    small[0].save(file, save_all=True, append_images=small[1:], duration=durations, loop=0, optimize=False)


def _stage(tables: Tables) -> tuple[Figure, list[Panel], list[Ranked]]:
    """Draw everything that does not change, and return it with the artists that will change."""
    metrics = tables["metrics"]
    shown = tuned(tables)[:2]
    documents, names = grouped(tables["documents"], styles(metrics))
    blocks = ranked(documents, tables["strings"], shown, names)
    drawn, all_axes = figure(3.6, len(shown))
    mark(drawn, tables)
    panels = []
    for axes, phase in zip(all_axes, shown, strict=True):
        panels.append(_panel(axes, phase, blocks))
        head(axes, title(tables, phase), pad=2.2 * mpl.rcParams["font.size"])
        axes.set_xlabel(described(tables))
    one = "an answer" if about(tables)["num_prompts"] else "a string"
    panels[0].axes.set_ylabel(say(f"probability of {one} (grey line: P)"))
    _scale(panels[0].axes, blocks)
    return drawn, panels, blocks


def described(tables: Tables) -> str:
    """Return the label of the horizontal axis."""
    group = "style" if styles(tables["metrics"]) else "group"
    law = averaged(tables, "P(x)")
    by_rank = say("(mean over prompts {law})", law=law) if law else ""
    return f"{say(f'{strings(tables)} of each {group} by rank under P')}\n{by_rank}".rstrip()


def _scale(axes: Axes, blocks: list[Ranked]) -> None:
    """Set the vertical axis: decades from the least to the largest probability of all frames and P, and room above."""
    values = np.concatenate([one.ravel() for block in blocks for one in (block.p, *block.q.values())])
    lowest = min(int(np.floor(np.log10(values[values > 0.0].min()))), -1)
    axes.set_ylim(10.0**lowest, 10.0 ** (lowest + (np.log10(values.max()) - lowest) / FILLED))
    axes.set_yticks([10.0**power for power in range(0, lowest, -2)])
    axes.minorticks_off()


def _panel(axes: Axes, phase: str, blocks: list[Ranked]) -> Panel:
    colours = style_colours([block.style for block in blocks])
    bars, truths, masses, middles = [], [], [], []
    axes.set_yscale("log")
    for place, block in enumerate(blocks):
        edges = place + WIDE * np.linspace(0.0, 1.0, len(block.p) + 1)
        bars.append(axes.stairs(block.p, edges, baseline=1e-300, fill=True, color=colours[block.style]))
        truths.append(axes.stairs(block.p, edges, baseline=None, color=GUIDE, linewidth=factor(), zorder=3))
        truths[-1].set_path_effects([withStroke(linewidth=1.9 * factor(), foreground="white")])  # visible on any colour
        middles.append(float(edges.mean()))
        masses.append(axes.text(middles[-1], 0.93, "", transform=axes.get_xaxis_transform(), ha="center", va="top"))
        masses[-1].set(color=ink(colours[block.style]), fontweight="bold", fontsize="small")
    axes.set_xticks(middles, [say(plain(block.style)) for block in blocks])
    for tick, block in zip(axes.get_xticklabels(), blocks, strict=True):
        tick.set(color=ink(colours[block.style]), fontweight="bold")
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(WIDE - 1.0, len(blocks))
    note = axes.text(0.0, 1.03, "", transform=axes.transAxes, va="bottom", fontsize="small")
    return Panel(axes, phase, bars, truths, masses, note)


def _show(panels: list[Panel], blocks: list[Ranked], tables: Tables, index: int) -> None:
    for panel in panels:
        divergence = curve(tables["metrics"], panel.phase, "kl", "P||q")
        for block, bar, text in zip(blocks, panel.bars, panel.masses, strict=True):
            bar.set_data(block.q[panel.phase][index])
            share = block.mass(panel.phase)[index]
            text.set_text(percent(share))
        step = str(divergence.steps[index]).ljust(6, FIGURE_SPACE)
        kl = three(divergence.lower[index])
        panel.note.set_text(say("step {step} KL(P‖q) [nat] = {kl}", step=step, kl=kl))
