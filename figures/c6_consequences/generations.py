"""C6.4: how far a model is from P after generations of training on its own samples, beside the law of drift."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.colours import Look
from figures.curves import Tables, mean_over, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "generations")

LOOKS = {
    0.0: Look("#D55E00", "o"),
    0.1: Look("#0072B2", "s", (0, (5, 1.5))),
    0.5: Look("#009E73", "^", (0, (1.5, 1))),
    1.0: Look("#000000", "D", (0, (5, 1.5, 1, 1.5))),
}
"""The lines, by the share of fresh data."""

BESIDE = {
    ("generations_short", 0.0): ("no fresh data, 20 small steps", Look("#E69F00", "X", (0, (5, 1.5, 1, 1.5)))),
    ("generations_infinite", 0.0): ("infinitely many samples", Look("#7A7A7A", "v", (0, (1.5, 1)))),
    ("generations_scratch", 0.0): ("no fresh data, from scratch", Look("#CC79A7", "P", (0, (5, 1.5)))),
}
"""Further lines of the transformer, by part and share of fresh data."""

PANELS = {"generations_table": "Table (exact fit)", "generations_net": "Transformer"}


def draw(tables: Tables) -> Figure | None:
    """Draw ‖q − P‖² against the generation, means over worlds, for tables and for the transformer."""
    found = _counted(tables)
    if not found.height:
        return None
    drawn, panels = figure(3.4, 2)
    for axes, (part, title) in zip(panels, PANELS.items(), strict=True):
        own = found.filter(part=part)
        for fresh, look in LOOKS.items():
            _lines(axes, own.filter(fresh=fresh), _words(fresh), look)
        axes.set(title=say(title), xlabel=say("generation $g$"))
        axes.set_xticks(sorted(found["generation"].unique())[::2])
    for (part, fresh), (name, look) in BESIDE.items():
        _lines(panels[1], found.filter(part=part, fresh=fresh), name, look, law=False)
    panels[0].set_ylabel(say(r"distance from P, $\|q_g - P\|^2$"))
    panels[0].set_ylim(bottom=0.0)
    named = {name: handle for axes in panels for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    drawn.legend(list(named.values()), list(named), loc="outside lower center", ncols=3)
    return drawn


def _words(fresh: float) -> str:
    return {0.0: "no fresh data", 1.0: "fresh data only"}.get(fresh) or say(
        "{percent:.0f} % fresh data", percent=100 * fresh
    )


def _lines(axes: Axes, own: pl.DataFrame, name: str, look: Look, law: bool = True) -> None:
    """A line with marks for what was measured; a thin line without marks for the law."""
    if own.height:
        mean = mean_over(own, "generation", "distance", "law")
        axes.plot(mean["generation"], mean["distance"], label=say(name), **look.line)
        if law:
            axes.plot(
                mean["generation"], mean["law"], color=look.colour, linestyle=look.dashes, linewidth=0.8 * factor()
            )


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    found = _counted(tables)
    n = found["num_samples"].drop_nulls()
    number = f"{n[0]:.0f}" if len(n) else "finitely many"
    return say(
        "C6.4. Self-training: in every generation a model is trained on {number} documents that the model "
        "of the generation before has drawn, mixed with a share of fresh documents of P. Thin lines "
        "without marks: the law R = (1 − C)/n + (1 − 1/n)(1 − α)² R of the generation before, for exact "
        "fits, begun at the pretrained model. Distances are sums over documents of squared differences, "
        "means over {seeds}. All numbers are exact.",
        number=number,
        seeds=num_seeds(found),
    )


def _counted(tables: Tables) -> pl.DataFrame:
    """Return the rows of valid runs; of all if there is none. Then the figure is marked."""
    found = tables["generations"]
    valid = found.filter(pl.col("valid")) if found.height else found
    return valid if valid.height else found
