"""An animation for lectures: the distribution over answers during fine-tuning, grouped by style, beside the control."""

from pathlib import Path

from matplotlib.figure import Figure

from figures.bars import Scene, scene
from figures.curves import Tables, curve, tuned
from figures.language import say
from figures.moving import gif, steady
from figures.words import about, data, three, title

TABLES = ("metrics", "phases", "run", "documents", "strings")


def draw(tables: Tables) -> Figure:
    """Draw the last frame."""
    whole = _scene(tables)
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
    return gif(tables, file, _scene, _show)


def _scene(tables: Tables) -> Scene:
    return scene(tables, {phase: title(tables, phase) for phase in tuned(tables)[:2]})


def _show(whole: Scene, tables: Tables, index: int) -> None:
    notes = []
    for panel in whole.panels:
        divergence = curve(tables["metrics"], panel.phase, "kl", "P||q")
        step, kl = steady(divergence.steps[index]), three(divergence.lower[index])
        notes.append(say("step {step} KL(P‖q) [nat] = {kl}", step=step, kl=kl))
    whole.show(index, notes)
