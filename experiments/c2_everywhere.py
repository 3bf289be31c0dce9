"""Does the excursion decide what is erased in every language and at every width? C2.8 and C2.9 in each of them."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from experiments import c2_support as c2
from experiments.board import measured, predicted
from experiments.c2_support import arms
from experiments.c2_support.erasing import ERASING
from experiments.c2_support.tables import tagged
from experiments.predictions import Tables, table
from experiments.statistics import interval
from experiments.study import Study
from sim.show.blocks import Block, Heading, Paragraph, Table

TOGETHER = True
"""All runs of the folder are reported together."""

CELL = ("language", "width")


def analyse(folder: Path) -> Tables:
    """Return `findings` of C2.8 and C2.9 and `arms` (their ends), both for every language and width."""
    study = Study.of(folder, arms.NEEDS)
    width = pl.col("model.width").fill_null(0) if "model.width" in study.runs.columns else pl.lit(0)
    findings, ends = [], []
    cells = study.runs.with_columns(language=pl.col("grammar"), width=width).sort(*CELL, "seed", "part")
    for values, own in cells.group_by(*CELL, maintain_order=True):
        tags = {name: pl.lit(value) for name, value in zip(CELL, values, strict=True)}
        runs = tagged(own)
        tables: Tables = {"runs": runs, **arms.tables(study.restricted(own), runs)}
        found = [one for prediction in ERASING for one in prediction.judge(tables)]
        findings.append(table(c2.CLAIM, found, [c2.CLAIM.announced]).with_columns(**tags))
        if tables["arms"].height:
            ends.append(tables["arms"].with_columns(**tags))
    return {
        "findings": pl.concat(findings),
        "arms": pl.concat(ends, how="vertical_relaxed") if ends else pl.DataFrame(),
    }


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Report the verdicts in every language and width, then E and X of every arm."""
    judged = tables["findings"].filter(pl.col("kind") != "report")
    lines = [
        (row["language"], str(row["width"]), row["prediction"], row["case"], predicted(row), measured(row),
         row["verdict"])
        for row in judged.iter_rows(named=True)
    ]  # fmt: skip
    return [
        Heading("What erases, by language and size"),
        Table((*CELL, "prediction", "case", "predicted", "measured", "verdict"), tuple(lines), 4, "Verdicts"),
        *_ends(tables["arms"]),
        Paragraph(f"Predictions: {c2.CLAIM.announced}.", bullet=True),
    ]


def _ends(ends: pl.DataFrame) -> list[Block]:
    if not ends.height:
        return []
    lines = []
    for (language, width, arm), own in ends.group_by(*CELL, "arm", maintain_order=True):
        fit = own.filter("fits")
        e, x = (_interval(fit[name].drop_nulls()) for name in ("e", "x"))
        lines.append((str(language), str(width), str(arm), f"{fit.height} of {own.height}", e, x))
    return [Table((*CELL, "arm", "runs that fit", "E [nat]", "X [nat]"), tuple(lines), 3, "E and X of every arm")]


def _interval(values: pl.Series) -> str:
    """Write a mean with its interval."""
    if not len(values):
        return "–"
    found = interval(values.to_numpy())
    return measured({"measured": found.estimate, "lower": found.lower, "upper": found.upper, "unit": "1"})
