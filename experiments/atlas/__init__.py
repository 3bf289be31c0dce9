"""The atlas: what every method of fine-tuning forgets at equal fit, and how far it lies above the exact frontier.

Nothing is judged: methods are ranked, with intervals over worlds, and ties are said as ties.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from experiments.atlas.tables import LEVELS, NEEDS
from experiments.atlas.tables import tables as tables_of
from experiments.board import short
from experiments.predictions import Tables
from experiments.study import Study
from sim.show.blocks import Block, Heading, Paragraph, Table

TOGETHER = True
"""All runs of the folder are reported together."""

RANKED = 0.03
"""The fit KL(S‖q) [nat per answer] at which methods are ranked."""


def analyse(folder: Path) -> Tables:
    """Return the tables of `experiments.atlas.tables`."""
    return tables_of(Study.of(folder, NEEDS))


def ranked(cells: pl.DataFrame, level: float) -> pl.DataFrame:
    """Return the methods that reach a fit, the nearest to the frontier first, and the place of each.

    A place is one more than the number of other methods that are surely nearer at some strength: their interval lies
    below. So methods whose intervals overlap with the best one all have place 1.
    """
    found = cells.filter(level=level).sort("above")
    places = [
        None
        if one is None
        else 1 + found.filter(pl.col("above_upper") < one, pl.col("method") != method)["method"].n_unique()
        for method, one in found.select("method", "above_lower").iter_rows()
    ]
    return found.with_columns(place=pl.Series(places, dtype=pl.Int64))


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Report the ranking at equal fit, then the end of every method."""
    cells = tables["cells"]
    blocks: list[Block] = [Heading("Which method keeps diversity, at equal fit?")]
    for level in LEVELS:
        lines = [
            ("–" if row["place"] is None else str(row["place"]), row["method"], row["strength"], str(row["worlds"]),
             *(_shown(row, name) for name in ("step", "above", "forgetting", "gate", "e")))
            for row in ranked(cells, level).iter_rows(named=True)
        ]  # fmt: skip
        columns = ("place", "method", "strength", "worlds", "step", "above the frontier [nat]", "KL(P‖q) [nat]",
                   "gate [nat]", "E [nat]")  # fmt: skip
        blocks += [Table(columns, tuple(lines), 3, f"At the first KL(S‖q) = {level:g} nats")]
    names = ("fit", "above", "off", "objective_gap", "learning_gap", "e", "x")
    lines_ = [
        (row["method"], row["strength"], str(row["worlds"]), *(_shown(row, name) for name in names))
        for row in cells.filter(pl.col("level").is_null()).iter_rows(named=True)
    ]
    columns_ = ("method", "strength", "worlds", "KL(S‖q) [nat]", "above the frontier [nat]", "q(⊥)",
                "H(q*) − H(P) [nat]", "H(q) − H(q*) [nat]", "E [nat]", "X [nat]")  # fmt: skip
    reached = set(cells.filter(level=RANKED)["method"]) if cells.height else set()
    missing = sorted(set(cells["method"]) - reached) if cells.height else []
    return [
        *blocks,
        Table(columns_, tuple(lines_), 2, "In the end"),
        Paragraph(
            "Means over worlds with 95 % intervals. Places are shared if intervals overlap: a place is one more than "
            "the number of other methods that are surely nearer to the frontier. Edits of weights have "
            "no path, so they stand in the last table alone.",
            bullet=True,
        ),
        Paragraph(
            f"No strength of these methods gets to KL(S‖q) = {RANKED:g}, because they have another optimum than S, or "
            f"are slow: {', '.join(missing) or 'none'}.",
            bullet=True,
        ),
    ]


def _shown(row: Mapping[str, float | None], name: str) -> str:
    """Write a mean with its interval."""
    value, lower, upper = row[name], row[f"{name}_lower"], row[f"{name}_upper"]
    if value is None:
        return "–"
    return short(value) if lower is None or upper is None else f"{short(value)} [{short(lower)}, {short(upper)}]"
