"""Bars that show a whole distribution over answers, grouped by style, for one moment of one or several trainings.

For each prompt, the answers of a style are ranked by P. A bar is the probability at one rank, averaged over P(x).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from figures.colours import GUIDE, ink, style_colours
from figures.curves import Tables, styles
from figures.labels import head
from figures.language import say
from figures.style import factor, figure
from figures.words import averaged, has_prompts, mark, percent, plain, strings

WIDE = 0.92
"""Width of the block of a style. All blocks have the same width, for any number of answers."""

FILLED = 0.8
"""Share of the height that bars and lines may take. The percentages are above them."""


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


@dataclass(frozen=True)
class Scene:
    """A figure in which everything that does not change is drawn, its panels, and the blocks of styles."""

    drawn: Figure
    panels: list[Panel]
    blocks: list[Ranked]

    @property
    def count(self) -> int:
        """The number of evaluations. Each of them is a frame."""
        return len(self.blocks[0].q[self.panels[0].phase])

    @property
    def moving(self) -> list[Artist]:
        """What changes from frame to frame."""
        return [one for panel in self.panels for one in (*panel.bars, *panel.truths, *panel.masses, panel.note)]

    def show(self, index: int, notes: Sequence[str]) -> None:
        """Show the bars of an evaluation, with a note above each panel."""
        for panel, note in zip(self.panels, notes, strict=True):
            for block, bar, text in zip(self.blocks, panel.bars, panel.masses, strict=True):
                bar.set_data(block.q[panel.phase][index])
                text.set_text(percent(float(block.mass(panel.phase)[index])))
            panel.note.set_text(note)


def scene(tables: Tables, titles: Mapping[str, str], lines: int = 1) -> Scene:
    """Draw a panel for each phase that has a title, with room for a note of some lines above it.

    The tables are `metrics`, `documents`, `strings` and `run` of `experiments.demo`.
    """
    documents, names = grouped(tables["documents"], styles(tables["metrics"]))
    blocks = ranked(documents, tables["strings"], list(titles), names)
    drawn, all_axes = figure(3.4 + 0.2 * lines, len(titles))
    mark(drawn, tables)
    panels = []
    for axes, (phase, title) in zip(all_axes, titles.items(), strict=True):
        panels.append(_panel(axes, phase, blocks))
        head(axes, title, pad=(1.0 + 1.2 * lines) * mpl.rcParams["font.size"])
        axes.set_xlabel(described(tables))
    one = "an answer" if has_prompts(tables) else "a string"
    panels[0].axes.set_ylabel(say(f"probability of {one} (grey line: P)"))
    _scale(panels[0].axes, blocks)
    return Scene(drawn, panels, blocks)


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
