"""What the figures of languages that are not listed share: the models of one way, and their numbers with intervals."""

from collections.abc import Iterator

import polars as pl

from figures.colours import DISTRIBUTIONS, Look
from figures.curves import Tables
from figures.language import say

MODELS: dict[str, tuple[str, bool, Look]] = {
    "$q_0$": ("sft", False, DISTRIBUTIONS["q0"]),
    "after SFT": ("sft", True, DISTRIBUTIONS["q"]),
    "control": ("identity", True, DISTRIBUTIONS["control"]),
}
"""The models by name: the phase, whether it is its end or its beginning, and the look."""


def newest(tables: Tables) -> pl.DataFrame:
    """Return the runs of one way, that of the last run."""
    return tables["runs"].filter(way=tables["runs"]["way"][-1])


def over(tables: Tables) -> pl.DataFrame:
    """Return the numbers of one way: over its runs if there are several, else of its run over independent strings."""
    way = newest(tables)["way"][0]
    several = tables["seeds"].filter(way=way)
    found = several if several.height else tables["numbers"].filter(way=way)
    return found.filter(pl.col("estimate").is_not_null())


def models(tables: Tables) -> Iterator[tuple[str, Look, pl.DataFrame]]:
    """Yield the name, the look and the numbers of every model that there is."""
    found = over(tables)
    for name, (phase, end, look) in MODELS.items():
        own = found.filter(phase=phase, end=True) if end else found.filter(phase=phase, step=0)
        if own.height:
            yield say(name), look, own


def known(tables: Tables) -> str:
    """Say over what the intervals are."""
    runs = newest(tables)
    if runs.height > 1:
        return say("Bars: 95 % intervals over {runs} runs", runs=runs.height)
    return say("Bars: 95 % intervals over {rows} independent strings", rows=int(runs["rows"][0]))
