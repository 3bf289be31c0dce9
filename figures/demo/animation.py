"""An animation for lectures: the distribution over answers during fine-tuning, grouped by style, beside the control."""

from pathlib import Path

from matplotlib.figure import Figure

from figures.curves import Tables, curve, phases, tuned
from figures.glyphs import prepare
from figures.language import language, say
from figures.moving import frames, write_gif
from figures.ranks import Stage, stage
from figures.style import styled
from figures.words import about, data, three, title

TABLES = ("metrics", "phases", "run", "documents", "strings")

FIGURE_SPACE = "\N{FIGURE SPACE}"
"""A space as wide as a digit, so that nothing moves sideways from frame to frame."""


def draw(tables: Tables) -> Figure:
    """Draw the last frame."""
    whole = _stage(tables)
    _show(whole, tables, -1)
    return whole.drawn


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
    """Write the GIF for a slide, with a frame per evaluation, and return the number of frames."""
    with styled("slide", language()):
        prepare(tables)
        whole = _stage(tables)
        count = len(curve(tables["metrics"], phases(tables, "fine-tuning")[0], "gate").steps)
        pictures = list(frames(whole.drawn, whole.moving, lambda index: _show(whole, tables, index), count))
    write_gif(pictures, file)
    return len(pictures)


def _stage(tables: Tables) -> Stage:
    return stage(tables, {phase: title(tables, phase) for phase in tuned(tables)[:2]})


def _show(whole: Stage, tables: Tables, index: int) -> None:
    notes = []
    for panel in whole.panels:
        divergence = curve(tables["metrics"], panel.phase, "kl", "P||q")
        step = str(divergence.steps[index]).ljust(6, FIGURE_SPACE)
        notes.append(say("step {step} KL(P‖q) [nat] = {kl}", step=step, kl=three(divergence.lower[index])))
    whole.show(index, notes)
