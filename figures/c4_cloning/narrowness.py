"""C4.6: the hazard under own prefixes against the entropy of the data, at equal fit and at equal steps."""

import numpy as np
from matplotlib.figure import Figure

from figures.colours import looks
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "narrow")


def draw(tables: Tables) -> Figure | None:
    """Draw the own hazard of every run against H(S), a thin line for each world."""
    found = tables["narrow"]
    if not found.height:
        return None
    drawn, panels = figure(2.9, 2, sharey=False)
    for axes, equal in zip(panels, (True, False), strict=True):
        for targets, look in looks(["exact", "sampled"]).items():
            own = found.filter(equal_fit=equal, targets=targets).sort("h_s")
            for _, world in own.group_by("seed", maintain_order=True):
                axes.plot(world["h_s"], world["hazard"], linewidth=0.6 * factor(), markersize=2.0 * factor(),
                          alpha=0.45, **look.line)  # fmt: skip
            if own.height:
                ranked = [
                    world.sort("h_s") for _, world in own.group_by("seed", maintain_order=True) if len(world) == 3
                ]
                x = np.mean([world["h_s"].to_numpy() for world in ranked], axis=0)
                y = np.exp(np.mean([np.log(world["hazard"].to_numpy()) for world in ranked], axis=0))
                axes.plot(x, y, label=say("{targets} targets", targets=targets), **look.line)
        axes.set(yscale="log", xlabel=say("entropy of the data, $H(S)$ [nat]"))
        axes.set_title(say("At equal fit" if equal else "At equal steps"))
    panels[0].set_ylabel(say("hazard, own prefixes"))
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C4.6. Probability to leave the support of the data at a step, under the model's own prefixes, "
        "after fine-tuning on the walks that stay on the path, sharpened (left), as they are, and "
        "flattened (right): all have the same support. Left panel: where KL(S‖q) = 0.1 nats is first "
        "reached, between two evaluations. Right panel: after all steps. Thick: geometric means over "
        "{seeds}; thin: worlds. Hazards are exact.",
        seeds=num_seeds(tables["narrow"]),
    )
