"""A moving picture: collapse under SFT, and the same fine-tuning with replay, on the same axes.

The tables are those of `experiments.collapse`. If there are more than two runs, the first two are drawn.
"""

from pathlib import Path

from matplotlib.figure import Figure

from figures.bars import Scene, scene
from figures.curves import Tables, curve
from figures.language import say
from figures.moving import gif, steady
from figures.words import capital, data, three

TABLES = ("runs", "metrics", "phases", "documents", "strings")


def draw(tables: Tables) -> Figure:
    """Draw the last frame."""
    whole = _scene(tables)
    _show(whole, tables, -1)
    return whole.drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "Fine-tuning from one pretrained model, on the same data and for the same steps: {methods}. A bar is the "
        "probability of the answers of a style by rank under P, as a mean over prompts; the grey line is P. Above each "
        "style stands its mass. The picture shows the last step, and the GIF every evaluation from q₀ on. The entropy "
        "H(q) of answers is given by certified bounds; all other numbers are exact. {data}.",
        methods=say("; ").join(say(str(name)) for name in _shown(tables)),
        data=data(_one(tables)),
    )


def animate(tables: Tables, file: Path) -> int:
    """Write the GIF for a slide, with a frame per evaluation, and return the number of frames."""
    return gif(tables, file, _scene, _show)


def _shown(tables: Tables) -> list[str]:
    """Return the phases of the first two runs."""
    return tables["runs"]["phase"].to_list()[:2]


def _one(tables: Tables) -> Tables:
    """Return the tables as those of one run: the facts about the world and the data are the same for all."""
    return {**tables, "run": tables["runs"].sort("valid").head(1)}


def _scene(tables: Tables) -> Scene:
    return scene(_one(tables), {name: capital(say(name)) for name in _shown(tables)}, lines=2)


def _show(whole: Scene, tables: Tables, index: int) -> None:
    notes = []
    for panel in whole.panels:
        entropy = curve(tables["metrics"], panel.phase, "entropy", "q", "P(x)")
        kl = curve(tables["metrics"], panel.phase, "kl", "P||q")
        notes.append(
            say(
                "step {step} KL(P‖q) = {kl} nat\nH(q) = {low} to {high} nat",
                step=steady(kl.steps[index]),
                kl=three(kl.lower[index]),
                low=f"{entropy.lower[index]:.2f}",
                high=f"{entropy.upper[index]:.2f}",
            )
        )
    whole.show(index, notes)
