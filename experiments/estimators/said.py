"""The report in words: bias, spread and coverage by size, and the worst of each."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from experiments.board import short
from experiments.estimators.exact import LEAST_ERROR
from sim.show.blocks import Block, Heading, Paragraph, Table

SHOWN = (30, 1_000, 10_000)
"""Sizes of samples in the tables of the report."""

TARGETS = ("H(q)", "KL(q‖p)", "missing mass", "C(q)", "N")


def blocks(tables: Mapping[str, pl.DataFrame], level: float) -> list[Block]:
    """Return the report: a table for each target, the worst coverage, and the intervals over worlds."""
    cells = tables["cells"]
    found: list[Block] = [
        Heading("Estimators where the truth is listed"),
        Paragraph(
            "Bias is exact, but for Chao–Shen and Chao1, for which it is estimated. Coverage is how often an interval "
            f"of {level:.0%} holds the exact truth: usual, value ± quantile · standard error; reported, the interval "
            "that is shown, which is Student's or proved. Ranges are over pairs of laws."
        ),
    ]
    for target in TARGETS:
        own = cells.filter(target=target)
        names = own["estimator"].unique(maintain_order=True)
        rows = tuple(_row(own.filter(estimator=name, n=n), name, n) for name in names for n in SHOWN)
        columns = ("estimator", "n", "bias", "spread", "usual covers", "reported covers", "its width")
        found.append(Table(columns, rows, 1, f"Estimates of {target}"))
    return [*found, *map(_said, worst(cells, level)), _worlds(tables["worlds"])]


def _row(own: pl.DataFrame, name: str, n: int) -> tuple[str, ...]:
    bias = own.select(pl.coalesce("bias_exact", "bias")).to_series()
    covered, usual = (_shares(own[column].drop_nulls()) for column in ("covered", "usual"))
    return name, f"{n:,}", _range(bias), _range(own["sd"]), usual, covered, _range(own["width"])


def _range(values: pl.Series) -> str:
    kept = values.drop_nulls()
    if kept.is_empty():
        return "–"
    found = kept.to_numpy()
    low, high = (0.0 if abs(one) < LEAST_ERROR else float(one) for one in (found.min(), found.max()))
    return short(low) if low == high else f"{short(low)} to {short(high)}"


def _shares(values: pl.Series) -> str:
    if values.is_empty():
        return "–"
    low, high = float(values.to_numpy().min()), float(values.to_numpy().max())
    return f"{low:.1%}" if low == high else f"{low:.1%} to {high:.1%}"


def worst(cells: pl.DataFrame, level: float) -> list[str]:
    """Return sentences about the reported and the usual intervals that cover least often."""
    shown = cells.drop_nulls("covered")
    one = shown.sort("covered").row(0, named=True)
    below = shown.filter(pl.col("covered_upper") < level)
    usual = cells.filter(pl.col("usual_upper") < level)
    few = cells.sort("usual").row(0, named=True)
    return [
        f"Reported intervals: {below.height} of {shown.height} cells cover significantly less than {level:.0%} "
        f"(without correction for their number); the least is {_where(one)}, {one['covered']:.1%}.",
        f"Usual intervals: {usual.height} of {cells.height} cells cover significantly less than {level:.0%}; the least "
        f"is {_where(few)}, {few['usual']:.1%}.",
    ]


def _where(row: Mapping[str, object]) -> str:
    return f"{row['estimator']} of {row['target']}, {row['pair']} ({row['language']}), n = {row['n']}"


def _said(text: str) -> Paragraph:
    return Paragraph(text, bullet=True)


def _worlds(table: pl.DataFrame) -> Table:
    rows = []
    for (source, number, method), own in table.group_by("source", "worlds", "method", maintain_order=True):
        middle, least = (float(np.quantile(own["covered"].to_numpy(), one)) for one in (0.5, 0.0))
        rows.append((str(source), str(method), str(number), str(own.height), f"{middle:.1%}", f"{least:.1%}"))
    columns = ("worlds", "interval", "in a study", "quantities", "median coverage", "least")
    return Table(columns, tuple(rows), 2, "Intervals over worlds, of 95 %")
