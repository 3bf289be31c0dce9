"""C4.3: walks that end off the path, and how often a model comes back, by the data."""

import polars as pl
from matplotlib.figure import Figure

from figures.c4_cloning.weights import counted
from figures.colours import looks
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "returns")

DATA = {"returns_clean": "no errors", "returns_noisy": "errors, repaired"}


def draw(tables: Tables) -> Figure | None:
    """Draw the mass that ends off the path by data and targets, and the recovery of tuned models and controls."""
    found = _valid(tables)
    if not found.height:
        return None
    drawn, (left, right) = figure(2.9, 2, sharey=False)
    kinds = looks(["exact", "sampled"])
    for place, (targets, look) in enumerate(kinds.items()):
        for at, part in enumerate(DATA):
            own = found.filter(part=part, phase="sft", targets=targets)["off"]
            shift = at + 0.24 * (place - 0.5)
            left.plot([shift] * len(own), own, markersize=2.5 * factor(), alpha=0.5, **look.points)
            if len(own):
                mean = own.log().to_numpy().mean()
                left.plot(shift, 2.718281828459045**mean, label=say(targets) if at == 0 else None, **look.hollow)
        for at, phase in enumerate(("identity", "sft")):
            own = found.filter(part="returns_clean", phase=phase, targets=targets)["recovery"].drop_nulls()
            shift = at + 0.24 * (place - 0.5)
            right.plot([shift] * len(own), own, markersize=2.5 * factor(), alpha=0.5, **look.points)
            if len(own):
                right.plot(shift, own.to_numpy().mean(), **look.hollow)
    left.set_yscale("log")
    left.set_xticks([0, 1], [say(name) for name in DATA.values()])
    left.set(xlim=(-0.5, 1.5), ylabel=say("mass that ends off the path"), xlabel=say("data of the fine-tuning"))
    right.set_xticks([0, 1], [say("control"), say("tuned, no errors")])
    right.set(xlim=(-0.5, 1.5), ylabel=say("probability to come back"), xlabel=say("model"), ylim=(0.0, 1.05))
    drawn.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2, title=say("targets"))
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C4.3. Left: probability that a walk of the tuned model does not end on the path, after "
        "fine-tuning on walks without errors, and on walks of which a tenth left the path and came back. "
        "Right: probability to come back at the last step, over prefixes of P that are off the path; in P "
        "it is 0.2. Small marks are worlds, hollow marks are means (geometric on the left), {seeds}. All "
        "numbers are exact.",
        seeds=num_seeds(_valid(tables)),
    )


def _valid(tables: Tables) -> pl.DataFrame:
    return counted(tables["returns"])
