"""Do the verdicts on C1 and C2 depend on the language, the size of the model or the optimiser? One row for each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from experiments import c1_entropy as c1
from experiments import c2_support as c2
from experiments.board import short
from experiments.c2_support.mass import last
from experiments.predictions import Claim, Tables, table
from experiments.statistics import interval
from experiments.study import Study
from sim.show.blocks import Block, Heading, Paragraph, Table

TOGETHER = True
"""All runs of the folder are reported together."""

CELL = ("language", "width", "optimiser")
CLAIMS = (c1.CLAIM, c2.CLAIM)

C1 = (*CELL, "valid runs", "C1", "slope of H(q) on H(S)", "H(q) − H(S) [nat]", "control [nat]")
C2 = (
    *CELL,
    "C2",
    "sizes fall, least",
    "sizes rise, least",
    "share of the gate",
    "known behind",
    "relearning, area [nat]",
)
"""The columns of the two tables."""


def analyse(folder: Path) -> Tables:
    """Return `cells` (a row for each), `findings` of both claims in every cell, and `ends` (splits of forgetting)."""
    studies = {claim.identifier: Study.of(folder, claim.needs) for claim in CLAIMS}
    runs = studies["C1"].runs
    width = pl.col("model.width").fill_null(0) if "model.width" in runs.columns else pl.lit(0)  # tables have none
    runs = runs.with_columns(width.alias("model.width"))
    keys = {"language": "grammar", "width": "model.width", "optimizer": "optimizer"}
    findings, rows, ends = [], [], []
    for values, own in runs.group_by(*keys.values(), maintain_order=True):
        row: dict[str, Any] = dict(zip(keys, values, strict=True))
        row |= {"runs": own.height, "valid": int(own["valid"].sum())}
        for claim in CLAIMS:
            made = claim.tables(studies[claim.identifier].restricted(own))
            found = judged(claim, made)
            standing, reason = claim.verdict(found)
            row |= {claim.identifier: standing, f"{claim.identifier} reason": reason}
            tags = {name: pl.lit(row[name]) for name in keys}
            findings.append(found.with_columns(**tags))
            if claim is c2.CLAIM and made["relearning"].height:
                again = made["splits"].filter(pl.col("run").is_in(made["relearning"]["run"].implode()))
                ends.append(last(again).with_columns(**tags))
        rows.append(row)
    return {
        "cells": pl.DataFrame(rows).sort(*keys),
        "findings": pl.concat(findings),
        "ends": pl.concat(ends) if ends else pl.DataFrame(),
    }


def judged(claim: Claim, tables: Tables) -> pl.DataFrame:
    """Return the findings of a claim on the runs of one cell. These runs were not made for the claim."""
    return table(claim, claim.judge(tables), [claim.announced])


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Report a table for each claim, and its conclusions."""
    findings, cells = tables["findings"], tables["cells"]
    first, second = [], []
    for row in cells.iter_rows(named=True):
        of = {name: row[name] for name in ("language", "width", "optimizer")}
        own, where = findings.filter(**of), (row["language"], str(row["width"]), row["optimizer"])
        runs = f"{row['valid']} of {row['runs']}"
        first.append((*where, runs, row["C1"], *(_shown(own, name) for name in ("C1.1a", "C1.1b", "C1.0"))))
        ways = (_least(own, name) for name in ("C2.1a", "C2.1b"))
        ends = tables["ends"]
        known = _interval(ends.filter(**of)["known_behind"]) if ends.height else "–"
        second.append((*where, row["C2"], *ways, _shown(own, "C2.3c"), known, _shown(own, "C2.4b")))
    return [
        Heading("Verdicts by language, size and optimiser"),
        Table(C1, tuple(first), 3, "C1"),
        Table(C2, tuple(second), 3, "C2"),
        *_sentences(cells),
    ]


def _shown(own: pl.DataFrame, identifier: str) -> str:
    """Write the measured value with its interval, and the verdict unless the prediction holds."""
    said = []
    for row in own.filter(prediction=identifier).iter_rows(named=True):
        number = "–" if row["measured"] is None else f"{short(row['measured'])} "
        number += "" if row["measured"] is None else f"[{short(row['lower'])}, {short(row['upper'])}]"
        said.append(number if row["verdict"] == "holds" else f"{number} ({row['verdict']})")
    return "; ".join(said) or "–"


def _interval(values: pl.Series) -> str:
    """Write a mean with its interval."""
    if not len(values):
        return "–"
    found = interval(values.to_numpy())
    assert found.estimate is not None
    return f"{short(found.estimate)} [{short(found.lower)}, {short(found.upper)}]"


def _least(own: pl.DataFrame, identifier: str) -> str:
    """Write the least measured value over the cases, and in how many of them the prediction does not hold."""
    found = own.filter(pl.col("prediction") == identifier, pl.col("measured").is_not_null())
    if not found.height:
        return "–"
    broken = found.height - found.filter(verdict="holds").height
    return short(float(found["measured"].to_numpy().min())) + (f" ({broken} of {found.height} fail)" if broken else "")


def _sentences(cells: pl.DataFrame) -> list[Block]:
    said: list[Block] = []
    for claim in ("C1", "C2"):
        for (standing,), own in cells.group_by(claim, maintain_order=True):
            where = f"{own.height} of {cells.height} combinations"
            reasons = "; ".join(dict.fromkeys(reason.split(";")[0] for reason in own[f"{claim} reason"]))
            said.append(Paragraph(f"{claim} {standing} in {where}: {reasons}.", bullet=True))
    said.append(Paragraph(f"Predictions: {', '.join(claim.announced for claim in CLAIMS)}.", bullet=True))
    return said
